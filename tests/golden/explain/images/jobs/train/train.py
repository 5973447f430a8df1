# SPDX-License-Identifier: MIT
print("train")
