"""Audio to turns with words: who said what, when and how loudly."""
