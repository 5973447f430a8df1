#!/bin/sh
# SPDX-License-Identifier: MIT
# All that the client needs of a launcher on the first worker's host, in one go; after spec/ports.sh.

ports_alone >&2
exec tar -cf - -C / etc/dockmpi
