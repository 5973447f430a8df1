#!/bin/sh
# SPDX-License-Identifier: MIT
# What a launcher runs; after ports.sh, facts.sh and feed.sh.

facts
feed self.json
trap 'exit 0' TERM INT
echo 'dockmpi: ready'
exec </dev/null
# In the background, because a shell runs its traps only between commands.
while :; do sleep 3600 & wait $!; done
