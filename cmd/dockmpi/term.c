// SPDX-License-Identifier: MIT
#include "term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool raw;

bool dmpi_term_interactive(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void dmpi_term_restore(void)
{
    if (raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    raw = false;
}

void dmpi_term_raw(void)
{
    if (raw || tcgetattr(STDIN_FILENO, &saved) < 0)
        return;
    struct termios mode = saved;
    cfmakeraw(&mode);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) < 0)
        return;
    raw = true;
    static bool registered;
    if (!registered)
        atexit(dmpi_term_restore);
    registered = true;
}

void dmpi_term_size(int *rows, int *cols)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;
    *rows = known ? size.ws_row : 24;
    *cols = known ? size.ws_col : 80;
}
