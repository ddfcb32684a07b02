#!/bin/sh
# Publishes patch definitions and versions to a patch source. Needs curl.
#
#   publish.sh title FILE          bring the title to what FILE says, or create it
#   publish.sh version TITLE FILE  add a version; it goes where version order says
#
# FILE is JSON, - is standard input. PATCHSOURCE_URL and PATCHSOURCE_TOKEN, in the
# environment, say where and as whom. Ends with 0 if it is published, also if it was
# before.
set -eu

usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

if [ -z "${PATCHSOURCE_URL:-}" ] || [ -z "${PATCHSOURCE_TOKEN:-}" ]; then
	echo "publish.sh: set PATCHSOURCE_URL and PATCHSOURCE_TOKEN" >&2
	exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# call METHOD PATH sends $work/body, says the status and keeps the answer. The token goes
# to curl by its standard input: everybody on the machine can read its arguments.
call() {
	printf 'header = "Authorization: Bearer %s"\n' "$PATCHSOURCE_TOKEN" |
		curl -sS --config - --retry 3 --max-time 120 -X "$1" -H 'Content-Type: application/json' \
			--data-binary @"$work/body" -o "$work/answer" -w '%{http_code}' "${PATCHSOURCE_URL%/}$2"
}

# say prints the message of the answer, and all of it if there is more to it: warnings, or
# what has changed.
say() {
	awk '{
		at = index($0, "\"message\":\"")
		if (!at) { print; exit }
		rest = substr($0, at + 11); message = ""
		while (rest != "") {
			c = substr(rest, 1, 1)
			if (c == "\"") break
			if (c == "\\") { c = substr(rest, 2, 1); rest = substr(rest, 2) }
			message = message c; rest = substr(rest, 2)
		}
		print message; exit
	}' "$work/answer"
	if grep -q -e '"warnings":' -e '"changes":' "$work/answer"; then
		cat "$work/answer" >&2
	fi
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
	# The first id in it; if that is another one, the server refuses it.
	id=$(tr '\n\r\t' '   ' <"$work/body" | grep -o '"id" *: *"[A-Za-z0-9._-]*"' | head -n 1 | sed 's/^.*"\([^"]*\)"$/\1/')
	[ -n "$id" ] || { echo "publish.sh: there is no id in $2" >&2; exit 1; }
	status=$(call PUT "/api/v1/title/$id")
	case "$status" in 404 | 403) # not there, or another's
		cp "$work/answer" "$work/put"
		before=$status
		status=$(call POST /api/v1/title)
		if [ "$status" = 409 ]; then
			# A contributor's title has the contributor's name in its id.
			own=$(sed -n 's/.*"database_conflict":"\([A-Za-z0-9._-]*\)".*/\1/p' "$work/answer")
			[ -z "$own" ] || status=$(call PUT "/api/v1/title/$own")
		elif [ "$status" = 403 ] && [ "$before" = 403 ]; then
			mv "$work/put" "$work/answer" # which says more
		fi
		;;
	esac
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
