// SPDX-License-Identifier: MIT
#include "base/mem.h"
#include "engine/http.h"

#define IDLE_MAX 16

static CURL *easy_new(void)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        dmpi_oom();
    return easy;
}

static struct dmpi_link *link_new(void)
{
    struct dmpi_link *link = dmpi_xcalloc(1, sizeof *link);
    link->multi = curl_multi_init();
    if (!link->multi)
        dmpi_oom();
    return link;
}

void dmpi_link_close(struct dmpi_link *link)
{
    if (!link)
        return;
    curl_multi_remove_handle(link->multi, link->easy);
    curl_easy_cleanup(link->easy);
    curl_multi_cleanup(link->multi);
    free(link);
}

static int link_setup(struct dmpi_engine *e, struct dmpi_link *link, enum dmpi_lane lane,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    link->easy = easy_new();
    link->why[0] = '\0';
    curl_easy_setopt(link->easy, CURLOPT_ERRORBUFFER, link->why);
    return dmpi_transport_setup(e->transport, link->easy, lane, ctl, err);
}

int dmpi_link_open(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                   struct dmpi_link **out, struct dmpi_err *err)
{
    struct dmpi_link *link = link_new();
    if (link_setup(e, link, lane, ctl, err) != 0) {
        dmpi_link_close(link);
        return -1;
    }
    *out = link;
    return 0;
}

/* Both lanes share one pool where the transport makes no difference between them. */
static enum dmpi_lane pool_of(const struct dmpi_engine *e, enum dmpi_lane lane)
{
    return dmpi_transport_has_lanes(e->transport) ? lane : DMPI_LANE_CONTROL;
}

static struct dmpi_link *pool_take(struct dmpi_engine *e, enum dmpi_lane pool)
{
    pthread_mutex_lock(&e->lock);
    struct dmpi_link *link = e->idle[pool];
    if (link) {
        e->idle[pool] = link->next;
        e->n_idle[pool]--;
    }
    pthread_mutex_unlock(&e->lock);
    return link;
}

int dmpi_link_take(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                   struct dmpi_link **out, struct dmpi_err *err)
{
    struct dmpi_link *link = pool_take(e, pool_of(e, lane));
    if (!link)
        return dmpi_link_open(e, lane, ctl, out, err);
    if (link_setup(e, link, lane, ctl, err) != 0) {
        dmpi_link_close(link);
        return -1;
    }
    *out = link;
    return 0;
}

void dmpi_link_give(struct dmpi_engine *e, enum dmpi_lane lane, struct dmpi_link *link)
{
    enum dmpi_lane pool = pool_of(e, lane);
    /*
     * The connection is the multi handle's. The easy handle holds pointers into the call that ended, and resetting it
     * is not enough: libcurl 7.88 would continue a freed header of the last answer where the next begins with a space.
     * And a link that waits holds 5 KiB less without one, which counts where there are a thousand.
     */
    curl_easy_cleanup(link->easy);
    link->easy = NULL;
    pthread_mutex_lock(&e->lock);
    bool keep = e->n_idle[pool] < IDLE_MAX;
    if (keep) {
        link->next = e->idle[pool];
        e->idle[pool] = link;
        e->n_idle[pool]++;
    }
    pthread_mutex_unlock(&e->lock);
    if (!keep)
        dmpi_link_close(link);
}

void dmpi_pool_close(struct dmpi_engine *e)
{
    for (int pool = 0; pool < DMPI_LANE_COUNT; pool++)
        for (struct dmpi_link *link; (link = pool_take(e, (enum dmpi_lane)pool));)
            dmpi_link_close(link);
}

/* Waits for the transfer's sockets or the cancel descriptor; 0 or -1 when ctl ends it. */
static int link_wait(struct dmpi_link *link, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct curl_waitfd cancel = {.events = CURL_WAIT_POLLIN};
    unsigned n = 0;
    if (ctl && ctl->cancel_fd >= 0) {
        cancel.fd = ctl->cancel_fd;
        n = 1;
    }
    int left = dmpi_ctl_timeout(ctl);
    /* libcurl shortens the wait by its own timers. */
    if (curl_multi_poll(link->multi, &cancel, n, left < 0 ? 60000 : left, NULL) != CURLM_OK)
        return dmpi_err_set(err, DMPI_ESYS, "libcurl cannot wait");
    return dmpi_ctl_check(ctl, err);
}

static CURLcode verdict(struct dmpi_link *link)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(link->multi, &left))) {
        if (msg->msg == CURLMSG_DONE)
            return msg->data.result;
    }
    return CURLE_FAILED_INIT;
}

/* Microseconds from the transfer's start to the first byte of its answer, 0: none has come. */
static curl_off_t first_byte(const struct dmpi_link *link)
{
    curl_off_t us = 0;
    curl_easy_getinfo(link->easy, CURLINFO_STARTTRANSFER_TIME_T, &us);
    return us;
}

bool dmpi_link_answered(const struct dmpi_link *link)
{
    return first_byte(link) > 0;
}

/* ctl, or what is left to an answer that has begun. */
static struct dmpi_ctl patience(const struct dmpi_link *link, const struct dmpi_ctl *ctl,
                                int64_t start, int64_t pause_ms)
{
    curl_off_t us = pause_ms > 0 ? first_byte(link) : 0, bytes = 0;
    if (us == 0)
        return ctl ? *ctl : DMPI_CTL_NONE;
    curl_easy_getinfo(link->easy, CURLINFO_SIZE_DOWNLOAD_T, &bytes);
    return dmpi_ctl_within(ctl, start + us / 1000 + pause_ms + bytes - dmpi_now_ms());
}

int dmpi_link_drive(struct dmpi_link *link, const struct dmpi_ctl *ctl, int64_t pause_ms,
                    CURLcode *code, struct dmpi_err *err)
{
    int running = 1;
    int64_t start = dmpi_now_ms();
    if (dmpi_ctl_check(ctl, err) != 0)
        return -1;
    if (curl_multi_add_handle(link->multi, link->easy) != CURLM_OK)
        return dmpi_err_set(err, DMPI_ESYS, "libcurl does not take the request");
    for (;;) {
        if (curl_multi_perform(link->multi, &running) != CURLM_OK)
            return dmpi_err_set(err, DMPI_ESYS, "libcurl fails inside");
        if (!running)
            break;
        struct dmpi_ctl left = patience(link, ctl, start, pause_ms);
        if (link_wait(link, &left, err) != 0)
            return -1;
    }
    *code = verdict(link);
    return 0;
}
