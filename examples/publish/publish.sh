#!/bin/sh
# Publishes patch definitions and versions to a patch source. Needs curl.
#
#   publish.sh title FILE          create the title, or bring it to what FILE says
#   publish.sh version TITLE FILE  add a version; it goes where version order says
#
# FILE is JSON, - is standard input. PATCHSOURCE_URL and PATCHSOURCE_TOKEN, in the
# environment, say where and as whom. Ends with 0 if it is published, also if it was
# before.
set -eu

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }

if [ -z "${PATCHSOURCE_URL:-}" ] || [ -z "${PATCHSOURCE_TOKEN:-}" ]; then
	echo "publish.sh: set PATCHSOURCE_URL and PATCHSOURCE_TOKEN" >&2
	exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The token goes to curl in a file that only we can read, not in its arguments, which
# everybody on the machine can.
umask 077
printf 'header = "Authorization: Bearer %s"\n' "$PATCHSOURCE_TOKEN" >"$work/curl"

# call METHOD PATH sends $work/body, says the status and keeps the answer.
call() {
	curl -sS --config "$work/curl" --retry 3 --max-time 120 -X "$1" -H 'Content-Type: application/json' \
		--data-binary @"$work/body" -o "$work/answer" -w '%{http_code}' "${PATCHSOURCE_URL%/}$2"
}

# say prints the answer, and the message alone if it can be found.
say() {
	sed -n 's/.*"message":"\(\([^"\\]\|\\.\)*\)".*/\1/p' "$work/answer" | grep . || cat "$work/answer"
}

fail() {
	echo "publish.sh: the server answered $1:" >&2
	cat "$work/answer" >&2
	exit 1
}

read_body() { if [ "$1" = - ]; then cat >"$work/body"; else cat -- "$1" >"$work/body"; fi; }

case "${1:-}" in
title)
	[ $# -eq 2 ] || usage
	read_body "$2"
	status=$(call POST /api/v1/title)
	if [ "$status" = 409 ]; then
		# The id that is there already, as the server writes it.
		id=$(sed -n 's/.*"database_conflict":"\([A-Za-z0-9._-]*\)".*/\1/p' "$work/answer")
		[ -n "$id" ] || fail "$status"
		status=$(call PUT "/api/v1/title/$id")
	fi
	case "$status" in 2??) say ;; *) fail "$status" ;; esac
	;;
version)
	[ $# -eq 3 ] || usage
	read_body "$3"
	status=$(call POST "/api/v1/title/$2/version?insert=ordered")
	case "$status" in
	2?? | 409) say ;; # 409: it is there
	*) fail "$status" ;;
	esac
	;;
*) usage ;;
esac
