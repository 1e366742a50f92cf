"""The page's addresses, one concern a file: each takes a request apart, asks the files beside this folder, and shows a template."""
