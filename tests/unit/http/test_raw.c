/* The raw-socket table: bytes in; statuses, the fate of the connection and the number of requests that reached a handler out.
 *
 * The verdicts are judged by RFC 9110 and 9112 and the guard's promises, not by what the server happens to do. The one that matters
 * most is the last column: what is sent as one request never reaches handlers as two. Rows marked LIBRARY are refused by the
 * parser itself, whose page is not ours. */
#include "http_fx.h"

#define H "Host: x\r\n"
#define J "Content-Type: application/json\r\n"
#define OK_ "GET /ok HTTP/1.1\r\n" H "\r\n"
#define POST "POST /echo HTTP/1.1\r\n" H J
#define BYTES(s) s, sizeof(s) - 1
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define SMUGGLED "GET /ok HTTP/1.1\r\n" H "X: smuggled\r\n\r\n"

typedef enum { KEPT, CLOSED } fate;
enum { OURS, LIBRARY };

static const struct raw {
    const char *name, *bytes;
    size_t n;
    const char *statuses;   /* of the replies in order, "" for none */
    fate fate;
    int handled, whose;
    const char *slug;       /* of the last problem; NULL: not looked at */
} table[] = {
    /* ---- plain requests ---- */
    {"get", BYTES(OK_), "200", KEPT, 1, OURS, NULL},
    {"head", BYTES("HEAD /ok HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"post with length", BYTES(POST "Content-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"post chunked", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"chunked in three", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n \r\n1\r\n}\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"coding's case", BYTES(POST "transfer-encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"chunk extension", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"trailer", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"trailer with a length", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 40\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"capture", BYTES("GET /v1/items/a_b-1 HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"delete", BYTES("DELETE /v1/items/a HTTP/1.1\r\n" H "\r\n"), "204", KEPT, 1, OURS, NULL},
    {"delete with length 0", BYTES("DELETE /v1/items/a HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), "204", KEPT, 1, OURS, NULL},
    {"empty line before", BYTES("\r\n" OK_), "200", KEPT, 1, OURS, NULL},
    {"query", BYTES("GET /query?a=1&b=%32 HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"query with slashes", BYTES("GET /query?a=/../x//y HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"dot inside a segment", BYTES("GET /openapi.yaml HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"cookies", BYTES("GET /ok HTTP/1.1\r\n" H "Cookie: a=b; c=\"d\"\r\nCookie: e\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"what a browser sends", BYTES("GET /ok HTTP/1.1\r\nHost: localhost:8470\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
                                   "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
                                   "Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"spaces after a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a \t \r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"value of spaces", BYTES("GET /ok HTTP/1.1\r\n" H "X: \t \r\nY: 1\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"no space before a value", BYTES("GET /ok HTTP/1.1\r\nHost:x\r\nX:a\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"colons in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a:b: c\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"header without value", BYTES("GET /ok HTTP/1.1\r\n" H "X-Empty:\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"spaces around a value", BYTES("GET /ok HTTP/1.1\r\nHost:   x  \r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"utf-8 in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: \xc3\xa9\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"ipv6 host", BYTES("GET /ok HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"empty host", BYTES("GET /ok HTTP/1.1\r\nHost:\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"later", BYTES("POST /later HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"upgrade is ignored", BYTES("GET /ok HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"asked to close", BYTES("GET /ok HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), "200", CLOSED, 1, OURS, NULL},
    {"1.0", BYTES("GET /ok HTTP/1.0\r\n" H "\r\n"), "200", CLOSED, 1, OURS, NULL},
    {"1.0 without host", BYTES("GET /ok HTTP/1.0\r\n\r\n"), "200", CLOSED, 1, OURS, NULL},
    {"1.0 keep-alive", BYTES("GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"1.0 post", BYTES("POST /echo HTTP/1.0\r\n" J "Content-Length: 2\r\n\r\n{}"), "200", CLOSED, 1, OURS, NULL},

    /* ---- pipelines ---- */
    {"two gets", BYTES(OK_ OK_), "200 200", KEPT, 2, OURS, NULL},
    {"post and get", BYTES(POST "Content-Length: 2\r\n\r\n{}" OK_), "200 200", KEPT, 2, OURS, NULL},
    {"later and get", BYTES("POST /later HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}" OK_), "200 200", KEPT, 2, OURS, NULL},
    {"chunked and get", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" OK_), "200 200", KEPT, 2, OURS, NULL},
    {"404 and get", BYTES("GET /none HTTP/1.1\r\n" H "\r\n" OK_), "404 200", KEPT, 1, OURS, NULL},
    {"refused body and get", BYTES("POST /none HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello" OK_), "404 200", KEPT, 1, OURS, NULL},
    {"body that looks like a request", BYTES(POST "Content-Length: 32\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\nX: 1\r\n"), "200", KEPT, 1, OURS, NULL},
    {"refused body that looks like a request", BYTES("POST /none HTTP/1.1\r\n" H "Content-Length: 32\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\nX: 1\r\n"), "404", KEPT, 0, OURS, "not-found"},
    {"get's body that looks like a request", BYTES("GET /ok HTTP/1.1\r\n" H "Content-Length: 32\r\n\r\nGET /ok HTTP/1.1\r\nHost: x\r\nX: 1\r\n"), "413", KEPT, 0, OURS, "too-large"},
    {"nothing after close", BYTES("GET /ok HTTP/1.1\r\n" H "Connection: close\r\n\r\n" OK_), "200", CLOSED, 1, OURS, NULL},

    /* ---- framing: each of these has smuggled a request somewhere ---- */
    {"length and chunked", BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"chunked and length", BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"two lengths", BYTES(POST "Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"two equal lengths", BYTES(POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"length list", BYTES(POST "Content-Length: 2, 2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"negative length", BYTES(POST "Content-Length: -1\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"plus length", BYTES(POST "Content-Length: +2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"hex length", BYTES(POST "Content-Length: 0x2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"float length", BYTES(POST "Content-Length: 2.0\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"empty length", BYTES(POST "Content-Length:\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"length 2^64", BYTES(POST "Content-Length: 18446744073709551616\r\n\r\n"), "413", CLOSED, 0, LIBRARY, NULL},
    {"length 2^64-1", BYTES(POST "Content-Length: 18446744073709551615\r\n\r\n"), "400", CLOSED, 0, LIBRARY, NULL},
    {"length 2^63", BYTES(POST "Content-Length: 9223372036854775808\r\n\r\n"), "413", CLOSED, 0, OURS, "too-large"},
    {"length with leading zeros", BYTES(POST "Content-Length: 002\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"chunked, chunked", BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"identity coding", BYTES(POST "Transfer-Encoding: identity\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"xchunked and length", BYTES(POST "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"quoted chunked", BYTES(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"two codings", BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"two chunked", BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"empty coding", BYTES(POST "Transfer-Encoding:\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"space before the colon, coding", BYTES(POST "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"space before the colon, length", BYTES(POST "Content-Length : 2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"tab before the colon", BYTES(POST "Content-Length\t: 2\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"tab before chunked", BYTES(POST "Transfer-Encoding:\tchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"vertical tab before chunked", BYTES(POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"1.0 with chunked", BYTES("POST /echo HTTP/1.0\r\n" J "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"underscore length is no length", BYTES(POST "Content_Length: 5\r\nContent-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"chunk size zz", BYTES(POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"chunk size 0x2", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"chunk size -1", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"chunk size 2^64", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}\r\n0\r\n\r\n" SMUGGLED), "413", CLOSED, 0, LIBRARY, NULL},
    {"chunk size 2^64-1", BYTES(POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n"), "", CLOSED, 0, OURS, NULL},
    {"no line end after a chunk", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"chunk longer than its size", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, LIBRARY, NULL},
    {"get with an empty chunked body", BYTES("GET /ok HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" OK_), "200 200", KEPT, 2, OURS, NULL},

    /* ---- headers ---- */
    {"two hosts", BYTES("GET /ok HTTP/1.1\r\n" H "Host: y\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"two equal hosts", BYTES("GET /ok HTTP/1.1\r\n" H H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"no host", BYTES("GET /ok HTTP/1.1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"host list", BYTES("GET /ok HTTP/1.1\r\nHost: x, y\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"host with a user", BYTES("GET /ok HTTP/1.1\r\nHost: a@x\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"host with a path", BYTES("GET /ok HTTP/1.1\r\nHost: x/ok\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"space in a name", BYTES("GET /ok HTTP/1.1\r\n" H "X Y: 1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"name with a control", BYTES("GET /ok HTTP/1.1\r\n" H "X\x01: 1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"name with high bytes", BYTES("GET /ok HTTP/1.1\r\n" H "X\xc3\xa9: 1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"name with a bracket", BYTES("GET /ok HTTP/1.1\r\n" H "X[]: 1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"no name", BYTES("GET /ok HTTP/1.1\r\n" H ": 1\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"no colon", BYTES("GET /ok HTTP/1.1\r\n" H "X\r\n\r\n"), "400", CLOSED, 0, LIBRARY, NULL},
    {"control in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\x01" "b\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"delete in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\x7f" "b\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"nul in a value", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"nul in a length", BYTES(POST "Content-Length: 2\0003\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, NULL},
    {"two content types", BYTES("POST /echo HTTP/1.1\r\n" H J J "Content-Length: 2\r\n\r\n{}"), "400", CLOSED, 0, OURS, "malformed"},
    {"two keys", BYTES("GET /headers HTTP/1.1\r\n" H "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"two accepts", BYTES("GET /headers HTTP/1.1\r\n" H "Accept: a/b\r\nAccept: c/d\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"bare line feeds", BYTES("GET /ok HTTP/1.1\nHost: x\n\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"folded header", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"spaces before a value", BYTES("GET /ok HTTP/1.1\r\nHost: \t  x\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"one bare line feed", BYTES("GET /ok HTTP/1.1\r\nHost: x\n\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"bare carriage return", BYTES("GET /ok HTTP/1.1\r\n" H "X: a\rY: b\r\n\r\n"), "400", CLOSED, 0, OURS, NULL},
    {"hidden by a nul and bare line feeds", BYTES("POST /echo HTTP/1.1\n" "Host: x\n" "Content-Type: application/json\n" "Content-Length: 2\0003456\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"hidden by as many bare line feeds", BYTES("POST /echo HTTP/1.1\r\n" H "A: 1\nB: 1\nC: 1\nD: 1\n" J "Content-Length: 2\000345\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"folded after a nameless line", BYTES(POST ":\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},
    {"fold before the first header", BYTES("POST /echo HTTP/1.1\r\n Transfer-Encoding: chunked\r\n" H J "Content-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, NULL},
    {"two spaces in the request line", BYTES("GET  /ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, NULL},
    {"folded length", BYTES(POST "Content-Length: 2\r\n 3\r\n\r\n{}" SMUGGLED), "400", CLOSED, 0, OURS, NULL},
    {"chunked with a space after", BYTES(POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" SMUGGLED), "501", CLOSED, 0, OURS, "not-implemented"},
    {"folded coding", BYTES(POST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED), "400", CLOSED, 0, OURS, "malformed"},

    /* ---- the request line and the target ---- */
    {"nul in the path", BYTES("GET /ok\0x HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, NULL},
    {"encoded nul", BYTES("GET /ok%00x HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"encoded letter", BYTES("GET /%6fk HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"encoded slash", BYTES("GET /v1%2fitems/a HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"encoded dots", BYTES("GET /v1/%2e%2e/ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"dots", BYTES("GET /v1/../ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"to the root and further", BYTES("GET /../../etc/passwd HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"one dot", BYTES("GET /./ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"hidden segment", BYTES("GET /v1/items/.x HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"double slash", BYTES("GET //ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"double slash at the end", BYTES("GET /ok// HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"slash at the end", BYTES("GET /ok/ HTTP/1.1\r\n" H "\r\n"), "404", KEPT, 0, OURS, "not-found"},
    {"backslash", BYTES("GET /v1\\items HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"fragment", BYTES("GET /ok#x HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"high bytes in the path", BYTES("GET /v1/items/\xc3\xa9 HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"control in the path", BYTES("GET /v1/items/\x01 HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"control in the query", BYTES("GET /query?a=\x01 HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"space in the path", BYTES("GET /v1/items/a b HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, NULL},
    {"absolute form", BYTES("GET http://x/ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"authority form", BYTES("CONNECT x:80 HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"no slash", BYTES("GET ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"star", BYTES("GET * HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"options star", BYTES("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "204", KEPT, 0, OURS, NULL},
    {"options", BYTES("OPTIONS /ok HTTP/1.1\r\n" H "\r\n"), "204", KEPT, 0, OURS, NULL},
    {"options nowhere", BYTES("OPTIONS /none HTTP/1.1\r\n" H "\r\n"), "404", KEPT, 0, OURS, "not-found"},
    {"dot in a capture", BYTES("GET /v1/items/a.b HTTP/1.1\r\n" H "\r\n"), "404", KEPT, 0, OURS, "not-found"},
    {"broken escape in the query", BYTES("GET /query?a=%4 HTTP/1.1\r\n" H "\r\n"), "400", KEPT, 0, OURS, "malformed"},
    {"encoded nul in the query", BYTES("GET /query?a=%00 HTTP/1.1\r\n" H "\r\n"), "400", KEPT, 0, OURS, "malformed"},
    {"unknown parameter", BYTES("GET /query?c=1 HTTP/1.1\r\n" H "\r\n"), "400", KEPT, 1, OURS, "malformed"},
    {"parameter twice", BYTES("GET /query?a=1&a=1 HTTP/1.1\r\n" H "\r\n"), "400", KEPT, 1, OURS, "malformed"},

    /* ---- methods and versions ---- */
    {"post to a get", BYTES("POST /ok HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), "405", KEPT, 0, OURS, "method-not-allowed"},
    {"put", BYTES("PUT /echo HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}"), "405", KEPT, 0, OURS, "method-not-allowed"},
    {"head of a post", BYTES("HEAD /echo HTTP/1.1\r\n" H "\r\n"), "405", KEPT, 0, OURS, NULL},
    {"trace", BYTES("TRACE /ok HTTP/1.1\r\n" H "\r\n"), "405", KEPT, 0, OURS, "method-not-allowed"},
    {"unknown method", BYTES("BREW /ok HTTP/1.1\r\n" H "\r\n"), "501", KEPT, 0, OURS, "not-implemented"},
    {"method's case", BYTES("get /ok HTTP/1.1\r\n" H "\r\n"), "501", KEPT, 0, OURS, "not-implemented"},
    {"method of controls", BYTES("G\x01T /ok HTTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, OURS, "malformed"},
    {"1.2", BYTES("GET /ok HTTP/1.2\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"9.9", BYTES("GET /ok HTTP/9.9\r\n" H "\r\n"), "505", CLOSED, 0, LIBRARY, NULL},
    {"2.0 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505", CLOSED, 0, LIBRARY, NULL},
    {"0.9", BYTES("GET /ok\r\n"), "400", CLOSED, 0, LIBRARY, NULL},
    {"no http", BYTES("GET /ok FTP/1.1\r\n" H "\r\n"), "400", CLOSED, 0, LIBRARY, NULL},
    {"http's case", BYTES("GET /ok http/1.1\r\n" H "\r\n"), "400", CLOSED, 0, LIBRARY, NULL},
    {"tls", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "", CLOSED, 0, OURS, NULL},
    {"garbage", BYTES("\xff\xfe\xfd\r\n\r\n"), "", CLOSED, 0, OURS, NULL},
    {"nothing", BYTES(""), "", CLOSED, 0, OURS, NULL},
    {"half a request line", BYTES("GET /o"), "", CLOSED, 0, OURS, NULL},
    {"half the headers", BYTES("GET /ok HTTP/1.1\r\nHost: x\r\n"), "", CLOSED, 0, OURS, NULL},
    {"half a body", BYTES(POST "Content-Length: 10\r\n\r\n{}"), "", CLOSED, 0, OURS, NULL},
    {"half a chunk", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n5\r\n{}"), "", CLOSED, 0, OURS, NULL},
    {"no last chunk", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), "", CLOSED, 0, OURS, NULL},

    /* ---- bodies ---- */
    {"no type", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"text type", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"form type", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"type with a prefix of json", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Type: application/jsonx\r\nContent-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"type with parameters", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"lines as ndjson", BYTES("POST /lines HTTP/1.1\r\n" H "Content-Type: application/x-ndjson\r\nContent-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"lines as jsonl", BYTES("POST /lines HTTP/1.1\r\n" H "Content-Type: application/jsonl\r\nContent-Length: 2\r\n\r\n{}"), "200", KEPT, 1, OURS, NULL},
    {"lines as text", BYTES("POST /lines HTTP/1.1\r\n" H "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"ndjson to json", BYTES("POST /echo HTTP/1.1\r\n" H "Content-Type: application/x-ndjson\r\nContent-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"no length", BYTES(POST "\r\n"), "411", KEPT, 0, OURS, "length-required"},
    {"length 0", BYTES(POST "Content-Length: 0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"optional body left out", BYTES("POST /maybe HTTP/1.1\r\n" H "\r\n"), "200", KEPT, 1, OURS, NULL},
    {"optional body of length 0", BYTES("POST /maybe HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"optional body without type", BYTES("POST /maybe HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"), "415", KEPT, 0, OURS, "unsupported-media-type"},
    {"body at the limit", BYTES("POST /lines HTTP/1.1\r\n" H J "Content-Length: 1000\r\n\r\n" X1000), "200", KEPT, 1, OURS, NULL},
    {"body above the limit", BYTES("POST /lines HTTP/1.1\r\n" H J "Content-Length: 1001\r\n\r\n" X1000 "y" OK_), "413 200", KEPT, 1, OURS, NULL},
    {"chunked at the limit", BYTES("POST /lines HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" X1000 "\r\n0\r\n\r\n"), "200", KEPT, 1, OURS, NULL},
    {"chunked above the limit", BYTES("POST /lines HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" X1000 "\r\n1\r\ny\r\n0\r\n\r\n" OK_), "413 200", KEPT, 1, OURS, NULL},
    {"length of a gigabyte", BYTES(POST "Content-Length: 1073741824\r\n\r\n"), "413", CLOSED, 0, OURS, "too-large"},
    {"expect", BYTES(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"), "100 200", KEPT, 1, OURS, NULL},
    {"expect, but too large", BYTES("POST /lines HTTP/1.1\r\n" H J "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n"), "413", CLOSED, 0, OURS, "too-large"},
    {"expect, but nowhere", BYTES("POST /none HTTP/1.1\r\n" H J "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"), "404", CLOSED, 0, OURS, "not-found"},
};

/* The limits: a filler of x between two texts. */
static const struct {
    const char *before;
    size_t fill;
    const char *after;
    struct raw verdict;
} limits[] = {
    {"GET /query?a=", 4096 - 9, " HTTP/1.1\r\n" H "\r\n", {"target of 4096", NULL, 0, "200", KEPT, 1, OURS, NULL}},
    {"GET /query?a=", 4097 - 9, " HTTP/1.1\r\n" H "\r\n", {"target of 4097", NULL, 0, "414", CLOSED, 0, OURS, "uri-too-long"}},
    {"GET /v1/items/", 4096, " HTTP/1.1\r\n" H "\r\n", {"long path", NULL, 0, "414", CLOSED, 0, OURS, "uri-too-long"}},
    {"GET /query?a=", 40000, " HTTP/1.1\r\n" H "\r\n", {"target of 40 KB", NULL, 0, "414", CLOSED, 0, LIBRARY, NULL}},
    {"GET /ok HTTP/1.1\r\n" H "X: ", 8000, "\r\n\r\n", {"headers under 8 KiB", NULL, 0, "200", KEPT, 1, OURS, NULL}},
    {"GET /ok HTTP/1.1\r\n" H "X: ", 8192, "\r\n\r\n", {"headers over 8 KiB", NULL, 0, "431", CLOSED, 0, OURS, "headers-too-large"}},
    {"GET /ok HTTP/1.1\r\n" H "X: ", 100000, "\r\n\r\n", {"headers of 100 KB", NULL, 0, "431", CLOSED, 0, LIBRARY, NULL}},
    {"GET /ok HTTP/1.1\r\n" H, 9000, ": 1\r\n\r\n", {"name over 8 KiB", NULL, 0, "431", CLOSED, 0, OURS, "headers-too-large"}},
    {"POST /lines HTTP/1.1\r\n" H J "Content-Length: 1000\r\n\r\n", 1000, "", {"body at the limit", NULL, 0, "200", KEPT, 1, OURS, NULL}},
    {"POST /lines HTTP/1.1\r\n" H J "Content-Length: 1001\r\n\r\n", 1001, OK_, {"body above the limit", NULL, 0, "413 200", KEPT, 1, OURS, NULL}},
    {"POST /lines HTTP/1.1\r\n" H J "Content-Length: 60000\r\n\r\n", 60000, OK_, {"body read to keep the connection", NULL, 0, "413 200", KEPT, 1, OURS, NULL}},
};

/* Is the reply a problem document that says what its status line says? */
static void check_problem(const struct raw *raw, const struct fx_reply *r)
{
    char value[256], want[64];

    if (r->status < 400 || raw->whose == LIBRARY || r->bytes == 0)
        return;
    if (!fx_header(r, "Content-Type", value) || strcmp(value, "application/problem+json") != 0)
        fail_msg("%s: %d is no problem document", raw->name, r->status);
    snprintf(want, sizeof want, "\"status\":%d,", r->status);
    assert_non_null(strstr(r->body, want));
    assert_non_null(fx_header(r, "X-Request-Id", value));
    snprintf(want, sizeof want, "\"request_id\":\"%.16s\"", value);
    assert_non_null(strstr(r->body, want));
    snprintf(want, sizeof want, "/errors/%s\"", raw->slug ? raw->slug : "");
    if (raw->slug && !strstr(r->body, want))
        fail_msg("%s: not %s but %s", raw->name, raw->slug, r->body);
}

static int n_wrong; /* rows with another verdict; all are named before the test fails */

/* Every reply that comes until the peer ends, or the probe that proves that it does not has been answered. */
static void run(struct fx *fx, const struct raw *raw, bool byte_by_byte)
{
    char got[256] = "";
    struct fx_client c = fx_open(fx);
    const int before = atomic_load(&fx->handled);
    const bool incomplete = raw->statuses[0] == '\0';

    for (size_t i = 0; byte_by_byte && i < raw->n; i++)
        if (!fx_send(c.fd, raw->bytes + i, 1))
            break;
    if (!byte_by_byte)
        fx_send(c.fd, raw->bytes, raw->n);
    if (incomplete)
        shutdown(c.fd, SHUT_WR);
    const size_t expected = (strlen(raw->statuses) + 1) / 4;
    for (size_t n = 0; n < expected || raw->fate == CLOSED; n++) {
        struct fx_reply r;
        fx_read(&c, strncmp(raw->bytes, "HEAD", 4) == 0, &r);
        const bool ended = r.status <= 0 || n == 8;
        if (r.status != 0)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", got[0] ? " " : "", r.status);
        if (r.status > 0)
            check_problem(raw, &r);
        fx_reply_free(&r);
        if (ended)
            break;
    }
    const bool kept = raw->fate == KEPT && fx_status(&c, "GET /v1/items/probe HTTP/1.1\r\n" H "\r\n") == 200;
    const int handled = atomic_load(&fx->handled) - before - kept;
    fx_close(&c);
    if (strcmp(got, raw->statuses) != 0 || kept != (raw->fate == KEPT) || handled != raw->handled)
        print_error("%s%s: got \"%s\" %s handled %d, not \"%s\" %s handled %d\n", raw->name, byte_by_byte ? " (byte by byte)" : "", got,
                    kept ? "kept" : "closed", handled, raw->statuses, raw->fate == KEPT ? "kept" : "closed", raw->handled);
    else
        return;
    n_wrong++;
}

static void every_row_has_its_verdict(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});

    (void)state;
    n_wrong = 0;
    for (size_t i = 0; i < ZO_LEN(table); i++)
        run(fx, &table[i], false);
    fx_end(fx);
    assert_int_equal(n_wrong, 0);
}

static void delivery_in_single_bytes_changes_nothing(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});

    (void)state;
    n_wrong = 0;
    for (size_t i = 0; i < ZO_LEN(table); i++)
        if (table[i].n < 1500)
            run(fx, &table[i], true);
    fx_end(fx);
    assert_int_equal(n_wrong, 0);
}

static void limits_hold_to_the_byte(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});

    (void)state;
    n_wrong = 0;
    for (size_t i = 0; i < ZO_LEN(limits); i++) {
        const size_t a = strlen(limits[i].before), b = strlen(limits[i].after);
        struct raw raw = limits[i].verdict;
        char *bytes = malloc(a + limits[i].fill + b);
        assert_non_null(bytes);
        memcpy(bytes, limits[i].before, a);
        memset(bytes + a, 'x', limits[i].fill);
        memcpy(bytes + a + limits[i].fill, limits[i].after, b);
        raw.bytes = bytes;
        raw.n = a + limits[i].fill + b;
        run(fx, &raw, false);
        free(bytes);
    }
    fx_end(fx);
    assert_int_equal(n_wrong, 0);
}

static void the_table_is_large_enough(void **state)
{
    (void)state;
    assert_true(ZO_LEN(table) >= 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_verdict),
        cmocka_unit_test(delivery_in_single_bytes_changes_nothing),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(the_table_is_large_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
