"""What the pages say, in Dutch and in English: a dictionary a page, with the same keys in both."""
