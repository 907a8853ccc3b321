/* The floor: receives and sends, and does nothing else that a server does.
 *
 * usage: floor PORT FILE
 *
 * Sends the bytes of FILE, a whole answer, for every end of a head that it receives, from one loop
 * on one thread.  It closes a connection after the answer if that says so.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_FILES = 65536, EVENTS = 512 };

static char *answer;
static size_t length;
static int closes;
static int epoll_fd;

/* Of each connection, by descriptor. */
static size_t owed[MOST_FILES];           /* bytes still to be sent */
static unsigned char matched[MOST_FILES]; /* bytes of CR LF CR LF seen at the end so far */
static unsigned watched[MOST_FILES];      /* the events that are waited for */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int fd, unsigned events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (watched[fd] == events)
        return;
    if (epoll_ctl(epoll_fd, watched[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
    watched[fd] = events;
}

/* Returns how many heads end in the data. */
static size_t count_heads(int fd, const char *data, ssize_t size)
{
    size_t heads = 0;
    unsigned char match = matched[fd];
    for (ssize_t i = 0; i < size; i++) {
        if (data[i] == "\r\n\r\n"[match])
            match++;
        else
            match = data[i] == '\r';
        if (match == 4) {
            heads++;
            match = 0;
        }
    }
    matched[fd] = match;
    return heads;
}

/* Sends what is owed; returns -1 when the connection is over. */
static int pay(int fd)
{
    while (owed[fd]) {
        size_t rest = owed[fd] % length ? owed[fd] % length : length;
        ssize_t sent = send(fd, answer + length - rest, rest, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        owed[fd] -= (size_t)sent;
    }
    return closes ? -1 : 0;
}

static int serve(int fd)
{
    static char buffer[65536];
    if (!owed[fd]) {
        ssize_t size = recv(fd, buffer, sizeof buffer, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            return -1;
        if (size > 0)
            owed[fd] = count_heads(fd, buffer, size) * length;
    }
    if (owed[fd] && pay(fd) < 0)
        return -1;
    watch(fd, owed[fd] ? EPOLLOUT : EPOLLIN);
    return 0;
}

/* Serves at once: a connection comes with its request, and what closes is never waited for. */
static void welcome(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST_FILES) {
            close(fd);
            continue;
        }
        owed[fd] = 0;
        matched[fd] = 0;
        watched[fd] = 0;
        if (serve(fd) < 0)
            close(fd);
    }
}

static void load(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0)
        fail(name);
    length = (size_t)ftell(file);
    rewind(file);
    answer = calloc(1, length + 1);
    if (!length || !answer || fread(answer, 1, length, file) != length)
        fail(name);
    fclose(file);
    closes = strstr(answer, "Connection: close") != NULL;
}

int main(int count, char **words)
{
    if (count != 3) {
        fputs("usage: floor PORT FILE\n", stderr);
        return 64;
    }
    load(words[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        fail("listen");
    epoll_fd = epoll_create1(0);
    watch(listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                welcome(listener);
            else if (serve(fd) < 0)
                close(fd);
        }
    }
}
