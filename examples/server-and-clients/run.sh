#!/bin/sh
# Plays the walkthrough of docs/learn/server-and-clients.md on a cluster of its own, and holds what is printed against the page.
exec "${TORTIE:-tortie}" learn server-and-clients --check "$@"
