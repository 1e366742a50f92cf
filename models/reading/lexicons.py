"""Lexicon files, in; word lists with what they inherit, phrases compiled, and every mistake in them, out.

The surprising choice: a lexicon's words may be names (a hit inside one is no hit) or words that jieba must learn; both are told by the lexicon, since the
same word may be a name in one list and a curse in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.reading.phrases import Chain, PhraseError, parse_phrase
from models.reading.rulefile import Document, Problem, Where
from models.reading.values import Values


class Lexicons(Values):
    """Gathers words and compiled phrases (chains) of all files while reading them. Every phrase is compiled once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.words: dict[str, list[str]] = {}
        self.jieba_words: set[str] = set()
        self.name_chains: list[int] = []
        self.chains: list[Chain] = []
        self._chain_ids: dict[tuple[str, bool], int] = {}

    def lexicons(self, documents: Sequence[Document]) -> None:
        """Read all lexicons, then resolve their inheritance."""
        raw: dict[str, tuple[Document, Where, dict[str, Any]]] = {}
        for document in documents:
            self._document = document
            if not isinstance(document.value, dict):
                self._bad((), "a lexicon file is a mapping of names", "write `name:` and below it `words: […]`")
                continue
            for name, value in document.value.items():
                if isinstance(value, list):
                    value = {"words": value}
                if not isinstance(value, dict):
                    self._bad((name,), f"lexicon '{name}' is no mapping", "give it `words: […]`")
                    continue
                if name in raw:
                    self._bad((name,), f"lexicon '{name}' stands twice (also {raw[name][0].file})", "give one another name")
                    continue
                self._known((name,), value, ("words", "synonyms", "from", "without", "names", "cut", "note"), f"lexicon '{name}'")
                raw[name] = (document, (name,), value)
        for name in raw:
            self._lexicon(name, raw, [])

    def _lexicon(self, name: str, raw: Mapping[str, tuple[Document, Where, dict[str, Any]]], path: list[str]) -> list[str]:
        if name in self.words:
            return self.words[name]
        document, where, value = raw[name]
        self._document = document
        if name in path:
            self._bad(where, f"lexicons inherit in a circle: {' → '.join([*path, name])}", "take one `from` out")
            return []
        words: list[str] = []
        for parent in self._strings((*where, "from"), value.get("from")):
            if parent not in raw:
                self._bad((*where, "from"), f"lexicon '{name}' takes from '{parent}', which is not there", f"known: {', '.join(sorted(raw))}")
                continue
            words += self._lexicon(parent, raw, [*path, name])
            self._document = document
        words += self._strings((*where, "words"), value.get("words"))
        synonyms = value.get("synonyms") or {}
        if isinstance(synonyms, dict):
            for key, others in synonyms.items():
                if key not in words:
                    self._bad((*where, "synonyms", key), f"synonyms of '{key}', which is no word of '{name}'", "add it to `words` or take it out")
                words += self._strings((*where, "synonyms", key), others)
        else:
            self._bad((*where, "synonyms"), "synonyms are a mapping of a word to a list", "write `synonyms: {领导: [头儿]}`")
        without = set(self._strings((*where, "without"), value.get("without")))
        for word in sorted(without - set(words)):
            self._bad((*where, "without"), f"'{word}' is taken out of '{name}' but not in it", "take it out of `without`")
        words = [w for w in dict.fromkeys(words) if w not in without]
        if not words:
            self._bad(where, f"lexicon '{name}' has no words", "give it `words: […]`")
        for word in words:
            if any(c in word for c in "*<>{}^$"):
                self._bad(where, f"'{word}' in lexicon '{name}' holds a gap, an anchor or a lexicon", "write such phrases in the rule")
        self.words[name] = words
        plain = [p for w in words for p in self._plain(where, w)]
        if value.get("cut"):
            self.jieba_words |= set(plain)
        if value.get("names"):
            self.jieba_words |= set(plain)
            self.name_chains += self._phrase_chains(where, words, sounds_like=False)
        return words

    def _plain(self, where: Where, word: str) -> list[str]:
        try:
            return sorted(parse_phrase(word, {}).parts[0].all)
        except PhraseError as error:
            self._bad(where, str(error), "")
            return []

    def _phrase_chains(self, at: Where, phrases: Sequence[str], sounds_like: bool) -> list[int]:
        out = []
        for i, phrase in enumerate(phrases):
            try:
                chain = parse_phrase(phrase, self.words, sounds_like)
            except PhraseError as error:
                text, _, mend = str(error).rpartition("; ")
                self._bad((*at, i) if len(phrases) > 1 else at, text or str(error), mend if text else "")
                continue
            key = (phrase.strip(), sounds_like)
            if key not in self._chain_ids:
                self._chain_ids[key] = len(self.chains)
                self.chains.append(chain)
            out.append(self._chain_ids[key])
        return list(dict.fromkeys(out))
