// What every page does: the form token for htmx, keys, the queue's rows, messages. No library but htmx.
"use strict";

const typing = (el) => el && (el.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName)) && !/^(radio|checkbox|button)$/.test(el.type || "");
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

window.toast = (text, ms = 1400) => {
  const box = $("#toast");
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(box.timer);
  box.timer = setTimeout(() => box.classList.remove("on"), ms);
};

document.addEventListener("htmx:configRequest", (event) => {
  const token = $('meta[name="csrf"]').content;
  if (token) event.detail.headers["X-CSRF-Token"] = token;
  if (event.detail.elt.classList.contains("filters")) tidy(event.detail.parameters);
});
document.addEventListener("htmx:responseError", (event) => {
  const xhr = event.detail.xhr; // a refusal is a page; its sentence is shown, as text
  const sentence = $(".refused .detail", new DOMParser().parseFromString(xhr.responseText, "text/html"))?.textContent;
  if (sentence) window.toast(sentence, 4000);
  else window.toast(xhr.status === 409 ? "↻ " + document.body.dataset.error : document.body.dataset.error);
});
document.addEventListener("htmx:sendError", () => window.toast(document.body.dataset.error));

// The address carries only what narrows the view.
function tidy(parameters) {
  const [kind, type] = (parameters.what || "").split("/");
  delete parameters.what;
  const plain = { span: "latest", state: "open", flag: "flagged" };
  if (kind) parameters.kind = kind;
  if (type) parameters.type = type;
  for (const name of Object.keys(parameters)) if (!parameters[name] || parameters[name] === plain[name]) delete parameters[name];
  if (parameters.first || parameters.last) delete parameters.span;
}
const filters = $("form.filters");
if (filters) {
  filters.addEventListener("change", (event) => {
    if (event.target.name === "span") for (const name of ["first", "last"]) filters.elements[name].value = "";
  }, true);
  filters.addEventListener("submit", (event) => { if (!window.htmx) { /* without htmx the browser sends the form itself */ } else event.preventDefault(); });
  document.addEventListener("htmx:afterSwap", () => rows.reset());
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) $("#" + opener.dataset.open).showModal();
  const hider = event.target.closest("[data-hide]");
  if (hider) $("#" + hider.dataset.hide).hidden = true;
  if (!event.target.closest("details.menu")) for (const menu of $$("details.menu[open]")) menu.open = false;
});
document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });

// The queue's rows under j, k and Enter.
const rows = {
  at: -1,
  all: () => $$(".rows .row"),
  reset() { this.at = -1; },
  go(step) {
    const all = this.all();
    if (!all.length) return;
    this.at = Math.min(all.length - 1, Math.max(0, this.at + step));
    all.forEach((row, i) => row.classList.toggle("at", i === this.at));
    all[this.at].focus({ preventScroll: true });
    all[this.at].scrollIntoView({ block: "nearest" });
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const dialog = $("#keys");
  if (event.key === "?" && !typing(event.target)) { dialog.open ? dialog.close() : dialog.showModal(); event.preventDefault(); return; }
  if (dialog.open) return;
  if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
  if (typing(event.target)) return;
  if (event.key === "/") {
    const box = $("#q");
    if (box) box.focus(); else location.href = "/?focus=search";
    event.preventDefault();
  } else if (event.key === "b" && $("#back")) $("#back").click();
  else if (event.key === "n" && $("#next")) location.href = $("#next").href;
  else if (rows.all().length && (event.key === "j" || event.key === "k")) { rows.go(event.key === "j" ? 1 : -1); event.preventDefault(); }
  else if (event.key === "n" && rows.all().length) rows.all()[0].click();
});
if (new URLSearchParams(location.search).get("focus") === "search" && $("#q")) $("#q").focus();
