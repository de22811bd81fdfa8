/* The listening socket: "HOST:PORT" or "[IPv6]:PORT" to a bound socket and the URL that reaches it. */
#include "http/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static bool is_port(const char *text)
{
    const size_t n = strlen(text);

    return n > 0 && n <= 5 && strspn(text, "0123456789") == n && atoi(text) <= 65535;
}

/* Split at the last colon; an IPv6 host is in brackets. */
static bool split(const char *text, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(text, ':');
    size_t n;

    if (!colon || colon == text || !is_port(colon + 1))
        return false;
    n = (size_t)(colon - text);
    if (text[0] == '[') {
        if (text[n - 1] != ']' || n < 3)
            return false;
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return false;
    }
    if (n >= size)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

/* A bound, listening, non-blocking socket, or -1 with errno. */
static int open_socket(const struct addrinfo *a)
{
    const int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    const int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool write_url(int fd, char *url, size_t size)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    char host[64], port[8];

    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0 ||
        getnameinfo((struct sockaddr *)&address, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    const bool v6 = address.ss_family == AF_INET6;
    snprintf(url, size, "http://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return true;
}

zo_status http_listen(const char *text, int *fd_out, char *url, size_t url_size, zo_error *err)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char host[256];
    const char *port;
    int fd = -1;

    if (!split(text, host, sizeof host, &port))
        return zo_fail(err, ZO_EINVAL, "", "can't listen on %.100s: an address is HOST:PORT or [IPV6]:PORT", text);
    const int found = getaddrinfo(host, port, &hints, &list);
    if (found != 0)
        return zo_fail(err, ZO_EINVAL, "", "can't listen on %.100s: %s", text, gai_strerror(found));
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = open_socket(a);
    const int saved = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return zo_fail(err, ZO_ESTORE, "", "can't listen on %.100s: %s", text, strerror(saved));
    if (!write_url(fd, url, url_size)) {
        close(fd);
        return zo_fail(err, ZO_EINTERNAL, "", "can't tell the address of %.100s", text);
    }
    *fd_out = fd;
    return ZO_OK;
}
