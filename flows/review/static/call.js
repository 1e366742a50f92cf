// The call under the hand: the wave, the words that light up, the moments and their verdicts, all by key.
import WaveSurfer from "/static/vendor/wavesurfer.esm.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const player = $("#player");
const data = JSON.parse(player.dataset.call);
const blind = player.dataset.blind === "1";
const audio = $("#audio");
const LEAD_S = 2; // playback starts this much before a moment
const SVG = "http://www.w3.org/2000/svg";
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const typing = (el) => el && /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) && !/^(checkbox|radio|hidden)$/.test(el.type || "");
let current = -1; // the moment under the hand
let looping = false;
let skipping = false;
let stopLoopAt = null;

// ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
function draw(parent, name, attributes, kind = "") {
  const el = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  if (kind) el.setAttribute("class", kind);
  parent.append(el);
  return el;
}

function paint() {
  const under = $("#under"), over = $("#over"), heat = $("#heat"), ruler = $("#ruler");
  if (!under || !data.duration) return;
  const width = $(".drawing").clientWidth;
  const x = (s) => Math.round((width * Math.min(s, data.duration)) / data.duration * 10) / 10;
  for (const el of [under, over, heat]) { el.replaceChildren(); el.setAttribute("viewBox", `0 0 ${width} ${el === heat ? 28 : 100}`); el.setAttribute("preserveAspectRatio", "none"); }
  for (const [a, b] of data.silences) draw(under, "rect", { x: x(a), y: 12, width: x(b) - x(a), height: 88 }, "silence");
  for (const [, a, b, role] of data.turns) draw(under, "rect", { x: x(a), y: role === "customer" ? 56 : 12, width: Math.max(1, x(b) - x(a)), height: 44 }, `t-${role}`);
  for (const [a, b] of data.overlaps) draw(under, "rect", { x: x(a), y: 12, width: Math.max(1, x(b) - x(a)), height: 88 }, "overlap");
  let free = 0; // handles of moments close together stand side by side, so that each can be clicked
  for (const [i, a, b, kind, asserted] of data.moments.filter((m) => m[1] !== null).sort((m, n) => m[1] - n[1])) {
    draw(under, "rect", { x: x(a), y: 12, width: Math.max(2, x(b) - x(a)), height: 88, "data-m": i }, `moment-band k-${kind}${asserted ? "" : " possible"}`);
    const pole = draw(over, "g", { "data-m": i }, `flagpole k-${kind}${asserted ? "" : " possible"}`);
    draw(pole, "line", { x1: x(a), x2: x(a), y1: 4, y2: 100 });
    const handle = Math.min(width - 10, Math.max(x(a) - 4.5, free));
    draw(pole, "rect", { x: handle, y: 1, width: 9, height: 9, rx: 2 });
    free = handle + 11;
  }
  draw(heat, "line", { x1: 0, x2: width, y1: 27.5, y2: 27.5 });
  for (const [a, b, h] of data.heat) draw(heat, "rect", { x: x(a), y: 28 - 26 * h, width: Math.max(2, x(b) - x(a)), height: 26 * h, rx: 1.5, opacity: 0.25 + 0.75 * h });
  const step = [5, 10, 15, 30, 60, 120, 300, 600, 1200].find((s) => (width * s) / data.duration >= 56) || 3600;
  ruler.replaceChildren();
  for (let s = 0; s < data.duration - step / 3; s += step) {
    const tick = document.createElement("span");
    tick.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
    tick.style.left = `${x(s)}px`; // through the object model: the policy forbids style attributes, not this
    ruler.append(tick);
  }
  markCurrent();
}

let wave = null;
async function makeWave() {
  if (!audio) return;
  let lanes;
  try {
    const answer = await fetch(player.dataset.peaks);
    if (!answer.ok) throw new Error(String(answer.status));
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const half = bytes.length / 2;
    const top = Math.max(1, ...bytes) ;
    lanes = [0, 1].map((lane) => Array.from(bytes.subarray(lane * half, (lane + 1) * half), (v) => v / top));
  } catch {
    const line = document.createElement("p");
    line.className = "missing";
    line.textContent = player.dataset.missing;
    $("#wave").replaceChildren(line);
    return;
  }
  wave = WaveSurfer.create({
    container: "#wave", height: 44, media: audio, peaks: lanes, duration: data.duration, normalize: false, barWidth: 2, barGap: 1, barRadius: 1, cursorWidth: 2, cursorColor: colour("--ink"),
    dragToSeek: true, hideScrollbar: true, cspNonce: $('meta[name="csp-nonce"]').content,
    splitChannels: [{ waveColor: colour("--agent") + "99", progressColor: colour("--agent") }, { waveColor: colour("--customer") + "99", progressColor: colour("--customer") }],
  });
  wave.on("interaction", () => { stopLoopAt = null; });
}

// ── playing ─────────────────────────────────────────────────────────────────────────────────────────────────────────
const seek = (s) => { if (audio) { const to = Math.max(0, s); wave ? wave.setTime(to) : (audio.currentTime = to); follow(); } };
const play = () => audio && audio.play().catch(() => window.toast(player.dataset.missing));
const playFrom = (s) => { seek(s); play(); };

const words = $$(".w[data-s]").map((el) => ({ el, s: +el.dataset.s, e: +el.dataset.e })).sort((a, b) => a.s - b.s);
const turns = $$(".turn[data-s]").map((el) => ({ el, s: +el.dataset.s, e: +el.dataset.e }));
let lit = [];
let playingTurn = null;

function wordsAt(t) {
  let low = 0, high = words.length;
  while (low < high) { const mid = (low + high) >> 1; words[mid].s <= t ? (low = mid + 1) : (high = mid); }
  const found = [];
  for (let i = low - 1; i >= Math.max(0, low - 12); i--) if (words[i].e > t) found.push(words[i].el);
  return found;
}

function follow() {
  const t = audio.currentTime;
  $("#at").textContent = `${Math.floor(t / 60)}:${(t % 60).toFixed(1).padStart(4, "0")}`;
  const now = wordsAt(t);
  if (now.length || lit.length) {
    for (const el of lit) if (!now.includes(el)) el.classList.remove("now");
    for (const el of now) el.classList.add("now");
    lit = now;
  }
  const turn = turns.findLast((x) => x.s <= t && x.e > t) || null;
  if (turn !== playingTurn) {
    playingTurn?.el.classList.remove("playing");
    turn?.el.classList.add("playing");
    playingTurn = turn;
    if (turn && !audio.paused) show(turn.el);
  }
}

// Keep what is said in view, below the player, without jerking when it is there already.
function show(el) {
  const box = el.getBoundingClientRect(), top = player.getBoundingClientRect().bottom + 12;
  if (box.top < top || box.bottom > innerHeight - 24) scrollBy({ top: box.top - top - 40, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function tick() {
  follow();
  const t = audio.currentTime;
  if (looping && stopLoopAt !== null && t >= stopLoopAt) jump(current, true);
  if (skipping && !audio.paused) {
    const gap = data.silences.find(([a, b]) => t >= a + 0.3 && t < b - 0.5);
    if (gap) audio.currentTime = gap[1] - 0.3;
  }
  if (!audio.paused) requestAnimationFrame(tick);
}

if (audio) {
  const button = $("#play");
  const face = () => {
    button.setAttribute("aria-pressed", String(!audio.paused));
    $(".label", button).textContent = audio.paused ? button.dataset.play : button.dataset.pause;
  };
  audio.addEventListener("play", () => { face(); tick(); });
  audio.addEventListener("pause", face);
  audio.addEventListener("seeked", follow);
  audio.addEventListener("error", () => window.toast(player.dataset.missing));
  button.addEventListener("click", () => (audio.paused ? play() : audio.pause()));
  for (const el of $$("[data-speed]")) el.addEventListener("click", () => speed(+el.dataset.speed));
  $("#skip").addEventListener("click", () => toggle("skip"));
  $("#loop")?.addEventListener("click", () => toggle("loop"));
  try { speed(+(localStorage.speed || 1)); if (localStorage.skip === "1") toggle("skip"); } catch { /* storage may be closed to us */ }
}

function speed(rate) {
  if (!audio) return;
  audio.playbackRate = rate;
  for (const el of $$("[data-speed]")) el.setAttribute("aria-pressed", String(+el.dataset.speed === rate));
  try { localStorage.speed = rate; } catch { /* as above */ }
}

function toggle(what) {
  if (what === "skip") { skipping = !skipping; try { localStorage.skip = skipping ? "1" : "0"; } catch { /* as above */ } }
  else { looping = !looping; if (looping && current >= 0) jump(current, true); }
  $("#" + what).setAttribute("aria-pressed", String(what === "skip" ? skipping : looping));
}

// ── moments ─────────────────────────────────────────────────────────────────────────────────────────────────────────
const cards = () => $$(".card");
function markCurrent() {
  for (const el of $$(".at[data-m], .card.at")) el.classList.remove("at");
  if (current < 0) return;
  for (const el of $$(`[data-m="${current}"]`)) el.classList.add("at");
}

function select(number, scroll = true) {
  const card = $("#m" + number);
  if (!card) return null;
  current = number;
  markCurrent();
  if (scroll) {
    const side = $(".side");
    if (getComputedStyle(side).overflowY === "auto") side.scrollTop = Math.max(0, card.offsetTop - side.offsetTop - 48);
    else card.scrollIntoView({ block: "nearest" });
    const turn = document.getElementById("t" + card.dataset.turn);
    if (turn) show(turn);
  }
  return card;
}

function jump(number, andPlay) {
  const card = select(number);
  if (!card || card.dataset.s === undefined) return;
  stopLoopAt = looping ? +card.dataset.e + 0.6 : null;
  seek(+card.dataset.s - LEAD_S);
  if (andPlay) play();
}

const step = (by) => { const all = cards(); if (all.length) jump(Math.min(all.length - 1, Math.max(0, current < 0 ? (by > 0 ? 0 : all.length - 1) : current + by)), audio && !audio.paused); };

function judge(card, answer) {
  if (!card) return;
  if (answer === "wrong") return whys(card);
  $(`.answer.${answer}`, card)?.click();
}
function whys(card, show_ = true) {
  const box = $(".whys", card), button = $("[data-whys]", card);
  if (!box) return;
  box.hidden = !show_;
  button.setAttribute("aria-expanded", String(show_));
  if (show_) $("button", box).focus();
}

document.addEventListener("click", (event) => {
  const target = event.target;
  const why = target.closest(".why-wrong");
  if (why) { $('input[name="why"]', why.form).value = why.dataset.why; return; }
  const opener = target.closest("[data-whys]");
  if (opener) { const card = opener.closest(".card"); select(+card.dataset.m, false); whys(card, $(".whys", card).hidden); return; }
  const pencil = target.closest(".comment-toggle");
  if (pencil) { const box = $(".comment", pencil.closest("form")); box.hidden = !box.hidden; if (!box.hidden) box.focus(); return; }
  const jumper = target.closest(".jump");
  if (jumper) { jump(+jumper.closest(".card").dataset.m, true); return; }
  const pole = target.closest(".flagpole");
  if (pole) { jump(+pole.dataset.m, true); return; }
  const time = target.closest(".seek");
  if (time) { playFrom(+time.dataset.s); return; }
  if (getSelection().isCollapsed) {
    const mark = target.closest(".mk");
    if (mark) select(+mark.dataset.m);
    const word = target.closest(".w[data-s]");
    if (word) { stopLoopAt = null; playFrom(+word.dataset.s); }
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful || event.detail.requestConfig.verb !== "post") return;
  const path = event.detail.pathInfo.requestPath;
  if (path.endsWith("/verdict") || path.endsWith("/missed") || path.endsWith("/take-back")) {
    window.toast("✓ " + document.body.dataset.saved);
    const form = $("#missed-form");
    if (form && path.endsWith("/missed")) { form.hidden = true; getSelection().removeAllRanges(); }
    requestAnimationFrame(markCurrent);
  }
});

// ── what the machine missed ─────────────────────────────────────────────────────────────────────────────────────────
function offsetOf(node, offset) {
  const el = (node.nodeType === 3 ? node.parentElement : node).closest?.(".w");
  return el ? { turn: el.closest(".turn"), at: +el.dataset.c + (node.nodeType === 3 ? offset : 0) } : null;
}
function picked() {
  const selection = getSelection();
  if (!selection.isCollapsed && selection.rangeCount) {
    const range = selection.getRangeAt(0);
    const a = offsetOf(range.startContainer, range.startOffset), b = offsetOf(range.endContainer, range.endOffset);
    if (a && b && a.turn === b.turn && b.at > a.at) return { turn: a.turn.dataset.turn, a: a.at, b: b.at, text: selection.toString() };
    return null;
  }
  const turn = playingTurn?.el || $(".turn:hover") || (current >= 0 ? document.getElementById("t" + $("#m" + current)?.dataset.turn) : null);
  if (!turn) return null;
  const text = $(".said", turn).textContent;
  const all = $$(".w", turn), last = all.at(-1);
  return last ? { turn: turn.dataset.turn, a: 0, b: +last.dataset.c + last.textContent.length, text } : null;
}
function offerMissed(focus) {
  const form = $("#missed-form"), found = picked();
  if (!form || !found) return;
  form.elements.turn.value = found.turn;
  form.elements.char_start.value = found.a;
  form.elements.char_end.value = found.b;
  $("#picked").textContent = `「${found.text}」`;
  form.hidden = false;
  if (focus) form.elements.what.focus();
}
$("#turns").addEventListener("mouseup", () => setTimeout(() => { if (!getSelection().isCollapsed) offerMissed(false); }, 0));

// ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("#keys").open) return;
  const card = current >= 0 ? $("#m" + current) : null;
  const open = $(".whys:not([hidden])");
  if (event.key === "Escape") {
    if (open) whys(open.closest(".card"), false);
    const form = $("#missed-form");
    if (form) form.hidden = true;
    return;
  }
  if (typing(event.target)) {
    if (event.key === "Enter" && event.target.classList.contains("comment")) { /* the form's first button says "right": ask instead */ event.preventDefault(); event.target.blur(); }
    return;
  }
  if (open && /^[1-5]$/.test(event.key)) { $$(".why-wrong", open)[+event.key - 1].click(); event.preventDefault(); return; }
  const answers = { Digit1: "right", Digit2: "wrong", Digit3: "unsure" };
  if (answers[event.code]) {
    if (blind) $(`#blind-form .answer.${answers[event.code]}`)?.click();
    else if (event.shiftKey) $(`#whole .answer.${answers[event.code]}`)?.click();
    else judge(card, answers[event.code]);
    event.preventDefault();
    return;
  }
  const rates = [0.75, 1, 1.25, 1.5, 2];
  const onButton = event.target.closest?.("button, a, summary");
  const actions = {
    j: () => step(1), k: () => step(-1), l: () => $("#loop")?.click(), s: () => $("#skip")?.click(), m: () => offerMissed(true),
    c: () => card && $(".comment-toggle", card)?.click(), z: () => (card ? $(".take-back", card) : $("#whole .take-back"))?.click(),
    ArrowLeft: () => seek(audio.currentTime - 3), ArrowRight: () => seek(audio.currentTime + 3),
    "[": () => speed(rates[Math.max(0, rates.indexOf(audio.playbackRate) - 1)]), "]": () => speed(rates[Math.min(4, rates.indexOf(audio.playbackRate) + 1)]),
  };
  if (event.key === " " && !(onButton && onButton.id !== "play" && !onButton.classList.contains("jump"))) { $("#play")?.click(); event.preventDefault(); }
  else if (event.key === "Enter" && !onButton && card) { jump(current, true); event.preventDefault(); }
  else if (actions[event.key] && (audio || !event.key.startsWith("Arrow"))) { actions[event.key](); event.preventDefault(); }
});

addEventListener("resize", paint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
new ResizeObserver(() => document.documentElement.style.setProperty("--player", `${player.offsetHeight}px`)).observe(player);
paint();
makeWave();
// An address may name the moment to open at: /calls/ID#m3
const named = /^#m(\d+)$/.exec(location.hash);
if (named) select(+named[1]);
