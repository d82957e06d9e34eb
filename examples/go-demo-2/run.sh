#!/bin/sh
# Plays the walkthrough of docs/learn/go-demo-2.md on a cluster of its own, and holds what is printed against the page.
exec "${TORTIE:-tortie}" learn go-demo-2 --check "$@"
