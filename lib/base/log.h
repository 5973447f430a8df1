// SPDX-License-Identifier: MIT
// Diagnostics of the library. Nothing is printed until the program sets a sink.
#ifndef DMPI_BASE_LOG_H
#define DMPI_BASE_LOG_H

#include <stdbool.h>

enum dmpi_log_level { DMPI_LOG_ERROR, DMPI_LOG_WARN, DMPI_LOG_INFO, DMPI_LOG_DEBUG };

// text is one line without newline, valid during the call. Calls never overlap, whatever thread
// they come from; a sink must not log.
typedef void (*dmpi_log_sink)(enum dmpi_log_level level, const char *text, void *arg);

// Messages above level are dropped. sink NULL: nothing is logged (as at the start).
void dmpi_log_set(enum dmpi_log_level level, dmpi_log_sink sink, void *arg);

// Whether a message of that level would be shown.
bool dmpi_log_enabled(enum dmpi_log_level level);

// Never put secrets into a message.
void dmpi_log(enum dmpi_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// Arguments are evaluated only when the level is shown.
#define dmpi_log_at(level, ...)                                                                    \
    do {                                                                                           \
        if (dmpi_log_enabled(level))                                                               \
            dmpi_log(level, __VA_ARGS__);                                                          \
    } while (0)
#define dmpi_error(...) dmpi_log_at(DMPI_LOG_ERROR, __VA_ARGS__)
#define dmpi_warn(...) dmpi_log_at(DMPI_LOG_WARN, __VA_ARGS__)
#define dmpi_info(...) dmpi_log_at(DMPI_LOG_INFO, __VA_ARGS__)
#define dmpi_debug(...) dmpi_log_at(DMPI_LOG_DEBUG, __VA_ARGS__)

#endif
