#!/bin/sh
# SPDX-License-Identifier: MIT
# What a job container runs; after feed.sh.

feed run-job
exec sh /etc/dockmpi/run-job
