/* The floor: makes the system calls of phttpd, and does nothing else that a server does.
 *
 * usage: floor PORT RESPONSE [log FILE | first DOCROOT | mix DOCROOT | large FILE]
 *
 * Sends the bytes of the file RESPONSE, a whole response, for every end of a head that it receives,
 * from one loop on one thread.  It closes a connection after the response if that says so.
 *
 *   log    writes a line for each response to a file, 64 kB at a time
 *   first  RESPONSE is a head with %zu for the length; the body is read out of the file at each request
 *   mix    likewise, but what was read is kept, and its file looked at once a second
 *   large  RESPONSE is a head; the body is sent out of the file, and the file looked at in each turn
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FILES = 65536, MOST_KEPT = 10000, EVENTS = 512, LOGGED_AT = 600, MOST_HEAD = 1024, BUFFER = 65536 };
enum { PIECE = 1 << 19, PIECES = 4, TAIL = 4096 };

struct response {
    char *data;
    size_t length;
    time_t checked; /* the second in which its file was looked at */
};

static struct response fixed; /* RESPONSE */
static int closes;
static int epoll_fd;

static int log_fd = -1;
static size_t logged; /* responses that are to be logged */

static int root = -1; /* for first and mix */
static int keeps;
static struct response kept[MOST_KEPT];

static int large = -1;
static size_t large_size;

/* Of each connection, by descriptor. */
static const struct response *current[MOST_FILES];
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

/* Reads a file below the root behind the head of its response. */
static void read_file(const char *path, struct response *response)
{
    static char scratch[MOST_HEAD + BUFFER];
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK};
    struct stat found;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    if (fstatat(root, path, &found, 0) < 0)
        fail(path);
    int file = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    size_t size = (size_t)found.st_size;
    response->data = keeps ? malloc(MOST_HEAD + size + 1) : scratch;
    if (file < 0 || !response->data || (!keeps && size >= BUFFER))
        fail(path);
    int head = snprintf(response->data, MOST_HEAD, fixed.data, size);
    if (pread(file, response->data + head, size + 1, 0) != found.st_size || fstat(file, &found) < 0)
        fail(path);
    close(file);
    response->length = (size_t)head + size;
}

/* Returns the response to a request whose path ends in a number, which is the file's. */
static const struct response *look_up(char *request)
{
    static struct response scratch;
    char *path = strchr(request, '/') + 1;
    *strchr(path, ' ') = 0;
    struct response *found = keeps ? &kept[atoi(strrchr(path, '/') + 1) % MOST_KEPT] : &scratch;
    time_t now = time(NULL);
    if (!keeps || !found->data) {
        read_file(path, found);
    } else if (found->checked != now) {
        struct stat file;
        if (fstatat(root, path, &file, 0) < 0)
            fail(path);
    }
    found->checked = now;
    return found;
}

/* Sends of a large file what one turn may, and looks at it before its last bytes. */
static int send_large(int fd)
{
    char tail[TAIL];
    struct stat found;
    off_t offset = (off_t)(large_size - owed[fd]);
    if (!offset && send(fd, fixed.data, fixed.length, MSG_MORE | MSG_NOSIGNAL) < 0)
        return -1;
    for (int pieces = 0; pieces < PIECES && owed[fd] > TAIL; pieces++) {
        size_t piece = owed[fd] - TAIL < PIECE ? owed[fd] - TAIL : PIECE;
        ssize_t sent = sendfile(fd, large, &offset, piece);
        if (sent < 0 && errno != EAGAIN)
            return -1;
        owed[fd] -= sent < 0 ? 0 : (size_t)sent;
        if (sent < (ssize_t)piece)
            break;
    }
    if (owed[fd] <= TAIL && pread(large, tail, TAIL, offset) < 0)
        return -1;
    if (fstat(large, &found) < 0)
        return -1;
    if (owed[fd] <= TAIL) {
        ssize_t sent = send(fd, tail, owed[fd], MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        owed[fd] -= (size_t)sent;
    }
    return 0;
}

/* Sends what is owed; returns -1 when the connection is over. */
static int pay(int fd)
{
    if (large >= 0)
        return send_large(fd);
    size_t length = current[fd]->length;
    while (owed[fd]) {
        size_t rest = owed[fd] % length ? owed[fd] % length : length;
        ssize_t sent = send(fd, current[fd]->data + length - rest, rest, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        owed[fd] -= (size_t)sent;
    }
    return closes ? -1 : 0;
}

static int serve(int fd)
{
    static char buffer[BUFFER + 1];
    if (!owed[fd]) {
        ssize_t size = recv(fd, buffer, BUFFER, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            return -1;
        size_t heads = size > 0 ? count_heads(fd, buffer, size) : 0;
        if (heads) {
            buffer[size] = 0;
            current[fd] = root >= 0 ? look_up(buffer) : &fixed;
            owed[fd] = large >= 0 ? large_size : heads * current[fd]->length;
            logged += heads;
        }
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

/* Writes lines for the responses, once they are many. */
static void write_log(void)
{
    static const char line[] = "127.0.0.1 - - [01/Jan/2000:00:00:00 +0000] \"GET /4k.txt HTTP/1.1\" 200 "
                               "4096 \"-\" \"-\" 0.000100 4448\n";
    static char lines[LOGGED_AT * (sizeof line - 1)];
    if (log_fd < 0 || logged < LOGGED_AT)
        return;
    for (size_t i = 0; i < sizeof lines; i += sizeof line - 1)
        memcpy(lines + i, line, sizeof line - 1);
    if (write(log_fd, lines, sizeof lines) < 0)
        fail("log");
    logged -= LOGGED_AT;
}

static void load(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0)
        fail(name);
    fixed.length = (size_t)ftell(file);
    rewind(file);
    fixed.data = calloc(1, fixed.length + 1);
    if (!fixed.length || !fixed.data || fread(fixed.data, 1, fixed.length, file) != fixed.length)
        fail(name);
    fclose(file);
    closes = strstr(fixed.data, "Connection: close") != NULL;
}

static void choose(const char *mode, const char *path)
{
    struct stat found;
    if (!strcmp(mode, "log")) {
        log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    } else if (!strcmp(mode, "large")) {
        large = open(path, O_RDONLY);
    } else {
        keeps = !strcmp(mode, "mix");
        root = open(path, O_PATH | O_DIRECTORY);
    }
    if ((log_fd < 0 && large < 0 && root < 0) || stat(path, &found) < 0)
        fail(path);
    large_size = (size_t)found.st_size;
}

static int listen_on(unsigned short port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        fail("listen");
    return listener;
}

int main(int count, char **words)
{
    if (count != 3 && count != 5) {
        fputs("usage: floor PORT RESPONSE [log FILE | first DOCROOT | mix DOCROOT | large FILE]\n", stderr);
        return 64;
    }
    load(words[2]);
    if (count == 5)
        choose(words[3], words[4]);
    int listener = listen_on((unsigned short)atoi(words[1]));
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
        write_log();
    }
}
