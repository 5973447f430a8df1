// SPDX-License-Identifier: MIT
// Looking up hosts, with a system whose look-up hangs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/resolve.h"
#include "transport/transport.h"

static sem_t release, release_curl; /* one post lets one look-up of hang.test, curl.test end */

/* Stands before the C library's own, for us and for libcurl. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    bool ours = strcmp(host, "hang.test") == 0, curls = strcmp(host, "curl.test") == 0;
    if ((ours || curls) && !(hints->ai_flags & AI_NUMERICHOST)) {
        while (sem_wait(ours ? &release : &release_curl) != 0)
            ;
        host = "127.0.0.1";
    }
    if (strcmp(host, "none.test") == 0)
        return EAI_NONAME;
    if (strcmp(host, "again.test") == 0 && !(hints->ai_flags & AI_NUMERICHOST))
        return EAI_AGAIN;
    return real(host, port, hints, out);
}

static void addresses_and_names(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int family;
    } rows[] = {{"127.0.0.1", AF_INET}, {"::1", AF_INET6}, {"fe80::1%lo", AF_INET6}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct addrinfo *list = NULL;
        assert_int_equal(dmpi_resolve(&list, rows[i].host, 2222, NULL, &err), 0);
        assert_int_equal(list->ai_family, rows[i].family);
        in_port_t port = list->ai_family == AF_INET
                             ? ((struct sockaddr_in *)list->ai_addr)->sin_port
                             : ((struct sockaddr_in6 *)list->ai_addr)->sin6_port;
        assert_int_equal(ntohs(port), 2222);
        freeaddrinfo(list);
    }
}

static void hosts_that_are_not_there(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct addrinfo *list = NULL;
    assert_int_equal(dmpi_resolve(&list, "none.test", 22, NULL, &err), -1);
    assert_int_equal(err.code, DMPI_EUNREACHABLE);
    assert_non_null(strstr(err.msg, "there is no host none.test"));
    assert_int_equal(dmpi_resolve(&list, "again.test", 22, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "again.test cannot be looked up: no name server answers"));
}

static void a_look_up_that_hangs(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct addrinfo *list = NULL;
    struct dmpi_ctl soon = dmpi_ctl_within(NULL, 50);
    assert_int_equal(dmpi_resolve(&list, "hang.test", 22, &soon, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    assert_non_null(strstr(err.msg, "looking up the address of hang.test has no end"));

    struct dmpi_ctl ctl = {.cancel_fd = eventfd(1, EFD_CLOEXEC)};
    assert_int_equal(dmpi_resolve(&list, "hang.test", 22, &ctl, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    close(ctl.cancel_fd);

    /* The two that were left behind end by themselves; then one is answered. */
    for (int i = 0; i < 3; i++)
        sem_post(&release);
    assert_int_equal(dmpi_resolve(&list, "hang.test", 22, NULL, &err), 0);
    assert_int_equal(list->ai_family, AF_INET);
    freeaddrinfo(list);
}

/* libcurl's own look-up, for tcp endpoints, keeps nobody waiting either. */
static void libcurl_does_not_wait_for_it(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_endpoint ep;
    struct dmpi_transport *t = NULL;
    assert_int_equal(dmpi_endpoint_parse(&ep, "tcp://curl.test:2375", &err), 0);
    ep.insecure_plain = true;
    assert_int_equal(dmpi_transport_open(&t, &ep, NULL, &err), 0);
    CURL *easy = curl_easy_init();
    assert_non_null(easy);
    assert_int_equal(dmpi_transport_setup(t, easy, DMPI_LANE_CONTROL, NULL, &err), 0);
    curl_easy_setopt(easy, CURLOPT_URL, dmpi_transport_base(t));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 50L);
    assert_int_equal(curl_easy_perform(easy), CURLE_OPERATION_TIMEDOUT);
    curl_easy_cleanup(easy); /* would hang for ever if it waited */
    sem_post(&release_curl);
    dmpi_transport_close(t);
    dmpi_endpoint_free(&ep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_names),
        cmocka_unit_test(hosts_that_are_not_there),
        cmocka_unit_test(a_look_up_that_hangs),
        cmocka_unit_test(libcurl_does_not_wait_for_it),
    };
    sem_init(&release, 0, 0);
    sem_init(&release_curl, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
