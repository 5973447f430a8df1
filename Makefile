# SPDX-License-Identifier: MIT
# dockmpi: one hand-written GNU Makefile.
#   make            build/dockmpi
#   make demo       everything on this machine: set up, build, image, cluster, DDP job, clean up
#   make test       every test (tests/run); make check = the quick ones, without containers
#   DEBUG=1         ASan and UBSan, into build-debug/;  TSAN=1 the thread sanitizer, into build-tsan/
#   V=1             shows commands;  CC=clang works

VERSION := 0.1.0

PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/dockmpi
DOCDIR  ?= $(PREFIX)/share/doc/dockmpi
MANDIR  ?= $(PREFIX)/share/man/man1
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
DESTDIR ?=

PKG_CONFIG ?= pkg-config
PKGS       := libcurl jansson libssh2 yaml-0.1 libssl libcrypto
WERROR     ?= -Werror
DEBUG      ?= 0
TSAN       ?= 0
V          ?= 0
FUZZ_SECONDS ?= 60

ifeq ($(TSAN),1)
BUILD ?= build-tsan
OPT   := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LINK  := -fsanitize=thread
else ifeq ($(DEBUG),1)
BUILD ?= build-debug
OPT   := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LINK  := -fsanitize=address,undefined
else
BUILD ?= build
OPT   := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
LINK  := -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections -Wl,--as-needed
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wvla -Wwrite-strings \
        -Wpointer-arith -Wundef $(WERROR)

# Empty on a machine without the libraries: the set-up targets must still work there.
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm

DEFS := -D_GNU_SOURCE -DDOCKMPI_VERSION='"$(VERSION)"' -DDOCKMPI_DATADIR='"$(DATADIR)"'
BASE_CFLAGS := -std=gnu11 $(OPT) -fPIE -pthread -ffunction-sections -fdata-sections \
               $(WARN) $(DEFS) -Ilib -I$(BUILD)/gen $(PKG_CFLAGS)
ALL_CFLAGS  = $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(LINK) -pie -pthread $(LDFLAGS)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V))$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-7s %s\n' '$(1)' '$(2)')

LIB_SRC    := $(wildcard lib/*/*.c)
# What bench checks before it starts a job is checked as the program in the images does.
CMD_SRC    := $(wildcard cmd/dockmpi/*.c) cmd/fabric/sizes.c
# Of the programs inside the images, what needs no MPI: for the tests. cmd/fabric/build builds all of it.
FABRIC_SRC := $(filter-out $(addprefix cmd/fabric/,main.c bench.c p2p.c coll.c probe.c versions.c ucx.c), \
              $(wildcard cmd/fabric/*.c))
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
HELPER_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
FUZZ_SRC   := $(wildcard tests/fuzz/fuzz_*.c)
SH_INC     := $(patsubst lib/%,$(BUILD)/gen/%.inc,$(wildcard lib/*/*.sh))
BENCH_SRC  := $(wildcard tests/bench/*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB_OBJ    := $(call obj,$(LIB_SRC))
CMD_OBJ    := $(call obj,$(CMD_SRC))
VERB_OBJ   := $(filter-out %/main.o,$(CMD_OBJ))
HELPER_OBJ := $(call obj,$(HELPER_SRC))
FABRIC_OBJ := $(call obj,$(FABRIC_SRC))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
FUZZ_BIN   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
BENCH_BIN  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))
ALL_OBJ    := $(LIB_OBJ) $(CMD_OBJ) $(HELPER_OBJ) $(FABRIC_OBJ) $(call obj,$(UNIT_SRC) $(FUZZ_SRC) $(BENCH_SRC) \
              $(wildcard tests/fuzz/driver.c))
LIB        := $(BUILD)/libdockmpi.a
BIN        := $(BUILD)/dockmpi
SWEEP_LIB  := $(BUILD)/sweep/fail.so

.DEFAULT_GOAL := all
.PHONY: lab lab-down all lib unit-bin fuzz-bin bench-bin demo test check unit golden e2e lint format fuzz faults bench \
        soak sweep sweep-lib tsan install uninstall man clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(if $(CMD_SRC),$(BIN)) $(if $(LIB_SRC),$(LIB))
lib: $(if $(LIB_SRC),$(LIB))
unit-bin: $(UNIT_BIN)
fuzz-bin: $(FUZZ_BIN)
bench-bin: $(BENCH_BIN)
sweep-lib: $(SWEEP_LIB)

# The flags are a prerequisite of every object: another compiler or PREFIX rebuilds what it must.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists $(PKGS) || { \
	  echo 'dockmpi: libraries for the build are missing; compose/setup installs them' >&2; exit 1; }
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(PKG_LIBS))' > $@.new
	@cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

# Shell files become string literals of C (`#include "mesh/rank.sh.inc"`), without what stands above
# their first empty line.
$(SH_INC): $(BUILD)/gen/%.inc: lib/%
	@mkdir -p $(@D)
	$(Q)sed '1,/^$$/d; s/[\\"]/\\&/g; s/.*/"&\\n"/' $< > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(SH_INC)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/tests/%.o: EXTRA_CFLAGS = -Icmd -Itests
$(BUILD)/obj/cmd/%.o: EXTRA_CFLAGS = -Icmd

# Rebuilt from nothing when the list of objects changes, so that a removed source leaves no member.
$(BUILD)/lib.list: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJ)' > $@.new; cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

$(LIB): $(LIB_OBJ) $(BUILD)/lib.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(BIN): $(CMD_OBJ) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(CMD_OBJ) $(LIB) $(PKG_LIBS)

# The verbs' own code (without main) is offered to unit tests as an archive: what is not used is not linked.
$(BUILD)/libverbs.a: $(VERB_OBJ) $(HELPER_OBJ) $(FABRIC_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libverbs.a $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libverbs.a $(LIB) $(BUILD)/libverbs.a -lcmocka $(PKG_LIBS)

$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/driver.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIB) $(PKG_LIBS)

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

# Loaded into a program under test, so without the flags that change calls.
$(SWEEP_LIB): tests/sweep/fail.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -fPIC -shared -o $@ $<

# ---- what people type --------------------------------------------------------------------------

demo:
	@compose/demo

test:
	@export DOCKMPI_SETUP_OWNER=test-$$$$; compose/setup test || exit 1; \
	tests/run; rc=$$?; compose/setup stop || rc=1; exit $$rc

check:
	@TEST_MODES=normal tests/run lint unit golden

unit:
	@TEST_MODES=normal tests/run unit

golden:
	@TEST_MODES=normal tests/run golden

e2e:
	@TEST_MODES=normal tests/run e2e

lint:
	@TEST_MODES=normal tests/run lint

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

fuzz:
	@tests/fuzz/run $(FUZZ_SECONDS)

# A laboratory of hosts in containers to try things on: make lab N=4
N ?= 4
lab:
	@compose/lab up $(N)

lab-down:
	@compose/lab down

# Every fault provoked for real on hosts of a laboratory: a table. FAULTS="cut host-off": these rows.
faults: all
	@tests/faults/run $(FAULTS)

bench: all bench-bin
	@tests/bench/run

POINTS ?= 300
sweep: all sweep-lib
	@tests/sweep/run --points $(POINTS)

tsan:
	@tests/tsan

ROUNDS ?= 500
soak: all bench-bin
	@tests/soak/run $(ROUNDS)

# The manual, a page a command, and what makes shells complete: all of it out of the program's own tables.
man: $(BUILD)/man/dockmpi.1
$(BUILD)/man/dockmpi.1: $(BIN)
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call say,MAN,$(@D))
	$(Q)for verb in $$($(BIN) __complete -- '' | cut -f1); do \
	  $(BIN) __man $$verb > $(@D)/dockmpi-$$verb.1 || exit 1; done
	$(Q)for shell in bash zsh fish; do $(BIN) completion $$shell > $(@D)/completion.$$shell || exit 1; done
	$(Q)$(BIN) __man > $@

install: all man
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(DOCDIR)
	install -m 755 $(BIN) $(DESTDIR)$(BINDIR)/dockmpi
	@if [ -d images ]; then rm -rf $(DESTDIR)$(DATADIR)/images; \
	  tar --exclude=__pycache__ -cf - images | tar -xf - --no-same-owner -C $(DESTDIR)$(DATADIR); fi
	@if [ -d cmd/fabric ]; then rm -rf $(DESTDIR)$(DATADIR)/cmd; \
	  tar -cf - cmd/fabric | tar -xf - --no-same-owner -C $(DESTDIR)$(DATADIR); fi
	install -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)
	install -d $(DESTDIR)$(MANDIR) $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(MANDIR)
	install -m 644 $(BUILD)/man/completion.bash $(DESTDIR)$(BASHDIR)/dockmpi
	install -m 644 $(BUILD)/man/completion.zsh $(DESTDIR)$(ZSHDIR)/_dockmpi
	install -m 644 $(BUILD)/man/completion.fish $(DESTDIR)$(FISHDIR)/dockmpi.fish

uninstall:
	rm -rf $(DESTDIR)$(BINDIR)/dockmpi $(DESTDIR)$(DATADIR) $(DESTDIR)$(DOCDIR)
	rm -f $(DESTDIR)$(MANDIR)/dockmpi.1 $(DESTDIR)$(MANDIR)/dockmpi-*.1 $(DESTDIR)$(BASHDIR)/dockmpi \
	  $(DESTDIR)$(ZSHDIR)/_dockmpi $(DESTDIR)$(FISHDIR)/dockmpi.fish

clean:
	rm -rf build build-debug build-tsan build-clang build-fuzz

-include $(ALL_OBJ:.o=.d)
