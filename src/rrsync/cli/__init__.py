"""The doors for people and scripts at a terminal: words in, words out."""
