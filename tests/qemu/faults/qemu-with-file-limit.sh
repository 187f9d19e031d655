#!/bin/sh
# QEMU that cannot write to files from sector 1024 on: an error tells it so, and no signal ends it.
trap "" XFSZ
# Counted in blocks of 512 bytes.
ulimit -f 1024
exec qemu-system-x86_64 "$@"
