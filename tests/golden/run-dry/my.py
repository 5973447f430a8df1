# SPDX-License-Identifier: MIT
print("mine")
