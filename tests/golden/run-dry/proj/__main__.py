# SPDX-License-Identifier: MIT
print("proj")
