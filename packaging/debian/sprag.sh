#!/bin/sh
# `sprag` in a shell works on the store of the service: it takes the same settings, unless SPRAG_CONFIG or --config
# names others.
export SPRAG_CONFIG="${SPRAG_CONFIG-/etc/sprag/sprag.toml}"
exec /usr/lib/sprag/sprag "$@"
