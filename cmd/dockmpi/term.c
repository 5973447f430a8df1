// SPDX-License-Identifier: MIT
#include "term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool changed;

bool dmpi_term_interactive(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool dmpi_term_is_ours(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void dmpi_term_restore(void)
{
    if (changed && dmpi_term_is_ours()) /* in the background it would stop us */
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    changed = false;
}

static void change(const struct termios *mode)
{
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, mode) < 0)
        return;
    changed = true;
    static bool registered;
    if (!registered)
        atexit(dmpi_term_restore);
    registered = true;
}

void dmpi_term_raw(void)
{
    if (changed || tcgetattr(STDIN_FILENO, &saved) < 0)
        return;
    struct termios mode = saved;
    cfmakeraw(&mode);
    change(&mode);
}

void dmpi_term_key(char key, bool input)
{
    if (changed || tcgetattr(STDIN_FILENO, &saved) < 0)
        return;
    struct termios mode = saved;
    mode.c_iflag &= ~(tcflag_t)IXON;
    mode.c_lflag &= ~(tcflag_t)(input ? ECHOCTL : ECHO);
    mode.c_cc[VEOL] = (cc_t)key;
    change(&mode);
}

void dmpi_term_size(int *rows, int *cols)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
    *rows = known ? size.ws_row : 24;
    *cols = known ? size.ws_col : 80;
}
