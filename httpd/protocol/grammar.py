"""The ABNF of RFC 9110 and RFC 9112 as regular expressions, each under the rule that it implements.

Where one of them nests a repetition in a repetition, there is one way only to divide the input
between them, so every match takes time linear in its input.
"""

from __future__ import annotations

import re

# token = 1*tchar (RFC 9110 §5.6.2)
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"

# The bytes that may be in a target: visible ASCII and all bytes beyond ASCII.  Clients send
# characters that RFC 3986 wants percent-encoded; only the ends of a target and a line are refused.
_TARGET = rb"!-~\x80-\xff"

# request-line CRLF, request-line = method SP request-target SP HTTP-version (RFC 9112 §3)
REQUEST_LINE = re.compile(rb"(%b+) ([%b]+) HTTP/([0-9])\.([0-9])\r\n" % (_TCHAR, _TARGET))

# The beginnings of a request line, after the one empty line that is tolerated (RFC 9112 §2.2)
REQUEST_BEGINNING = re.compile(
    rb"\r?|(?:\r\n)?(?:%b*|%b+ [%b]*|%b+ [%b]+ %b)"
    % (
        *(_TCHAR, _TCHAR, _TARGET, _TCHAR, _TARGET),
        rb"(?:H(?:T(?:T(?:P(?:/(?:[0-9](?:\.(?:[0-9]\r?)?)?)?)?)?)?)?)?",
    )
)

# A request line without version, for the two methods and the form of target that nearly all use:
# origin-form = absolute-path [ "?" query ] (RFC 9112 §3.2.1)
COMMON_REQUEST_LINE = re.compile(rb"(GET|HEAD) (/[!\"$->@-~\x80-\xff]*)(\?[!\"$-~\x80-\xff]*)?")

# field-line = field-name ":" OWS field-value OWS (RFC 9112 §5);
# field-value holds HTAB, SP, VCHAR and obs-text only (RFC 9110 §5.5).
FIELD_LINE = re.compile(rb"(%b+):([\t\x20-\x7e\x80-\xff]*)" % _TCHAR)

# The minor version and the header section of most requests: field lines and the empty line, in
# which no value has blanks behind it.  `COMMON_FIELD` finds the name and value of each line.
COMMON_SECTION = re.compile(
    rf"[0-9]\r\n(?:{_TCHAR.decode()}++:[ \t]*+(?:[\t -~\x80-\xff]*[!-~\x80-\xff])?\r\n)+\r\n"
)
COMMON_FIELD = re.compile(r"([^:]++):[ \t]*+([^\r]*+)\r\n")

# The fields that a server may send: no obs-text, and no blanks around a value.
FIELD_NAME = re.compile(_TCHAR.decode() + "+")
FIELD_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?")

# media-type = type "/" subtype parameters (RFC 9110 §8.3.1, §5.6.6), in ASCII
_TOKEN = _TCHAR.decode() + "+"
MEDIA_TYPE = re.compile(
    rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|\"(?:[\t !#-\[\]-~]|\\[\t -~])*\"))*"
)

# unreserved / sub-delims (RFC 3986 §2.2, §2.3)
_NAME = rb"0-9A-Za-z\-._~!$&'()*+,;="

# Host = uri-host [ ":" port ] (RFC 9110 §7.2, RFC 3986 §3.2.2), but for an empty host, which an
# http URI cannot have (RFC 9110 §4.2.1).  An IPv6 address is for the caller to check.
HOST = re.compile(
    rb"(?:\[(?:([0-9A-Fa-f:.]+)|[Vv][0-9A-Fa-f]+\.[%b:]+)\]|(?:[%b]|%%[0-9A-Fa-f]{2})+)(?::[0-9]*)?"
    % (_NAME, _NAME)
)

# A host name or an IPv4 address, with an optional port, as nearly all clients send it
COMMON_HOST = re.compile(r"[0-9A-Za-z.\-]+(?::[0-9]*)?")

# absolute-form = scheme "://" authority path-abempty [ "?" query ] (RFC 9112 §3.2.2)
ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp]([Ss]?)://([^/?#]*)([^?#]*)(\?[^#]*)?")

# origin-form = absolute-path [ "?" query ] (RFC 9112 §3.2.1)
ORIGIN_FORM = re.compile(rb"(/[^?#]*)(\?[^#]*)?")

# Content-Length = 1*DIGIT (RFC 9110 §8.6); a leading zero hints at request smuggling.
CONTENT_LENGTH = re.compile(r"0|[1-9][0-9]{0,18}")

# The end of a head.  A bare LF counts too, so that it is refused at once.
HEAD_END = re.compile(rb"\n\r?\n")

# entity-tag = [ weak ] opaque-tag (RFC 9110 §8.8.3), as an element of a list (§5.6.1)
ENTITY_TAG = re.compile(r'[ \t,]*(W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')

# ranges-specifier = range-unit "=" range-set (RFC 9110 §14.1.1); a unit is case-insensitive.
BYTE_RANGES = re.compile(r"[Bb][Yy][Tt][Ee][Ss]=(?![ \t])(.*)")

# range-spec = int-range / suffix-range (RFC 9110 §14.1.1, §14.1.2)
RANGE_SPEC = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)")

# codings [ weight ], weight = OWS ";" OWS "q=" qvalue (RFC 9110 §12.4.2, §12.5.3)
WEIGHTED = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z/]+)"
    r"(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)

# quoted-string (RFC 9110 §5.6.4).  No group is repeated possessively: Python 3.11 before 3.11.5 may
# find a match where there is none.
_QDTEXT = rb"[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]*+"
_QUOTED = rb'"%b(?:\\[\t\x20-\x7e\x80-\xff]%b)*"' % (_QDTEXT, _QDTEXT)

# chunk-size [ chunk-ext ] (RFC 9112 §7.1); no real chunk has a size of more digits.
CHUNK_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,16})(?:[ \t]*+;[ \t]*+%b++(?:[ \t]*+=[ \t]*+(?:%b++|%b))?)*"
    % (_TCHAR, _TCHAR, _QUOTED)
)
