#!/bin/sh
# Publishes patch definitions and versions to a patch source. Requires curl.
#
#   publish.sh title FILE          create the title, or replace its definition by FILE
#   publish.sh version TITLE FILE  add a version at its place in the version order
#
# FILE is JSON; - is standard input. The environment variables PATCHSOURCE_URL and
# PATCHSOURCE_TOKEN are the URL of the server and a token. The exit status is 0 if the
# definition or version is published, even if it was already.
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

# call METHOD PATH sends $work/body, prints the status and writes the answer to $work/answer.
# curl reads the token from standard input: all users of the machine can see its arguments.
call() {
	printf 'header = "Authorization: Bearer %s"\n' "$PATCHSOURCE_TOKEN" |
		curl -sS --config - --retry 3 --max-time 120 -X "$1" -H 'Content-Type: application/json' \
			--data-binary @"$work/body" -o "$work/answer" -w '%{http_code}' "${PATCHSOURCE_URL%/}$2"
}

# report prints the message of the answer. If the answer has warnings or changes, it prints
# the whole answer to standard error.
report() {
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
	# The first id in the text. If it is not the id of the title, the server rejects the request.
	id=$(tr '\n\r\t' '   ' <"$work/body" | grep -o '"id" *: *"[A-Za-z0-9._-]*"' | head -n 1 | sed 's/^.*"\([^"]*\)"$/\1/')
	[ -n "$id" ] || { echo "publish.sh: there is no id in $2" >&2; exit 1; }
	status=$(call PUT "/api/v1/title/$id")
	case "$status" in 404 | 403) # the title does not exist, or belongs to another author
		cp "$work/answer" "$work/put"
		before=$status
		status=$(call POST /api/v1/title)
		if [ "$status" = 409 ]; then
			# The id of a contributor's title contains the name of the contributor.
			own=$(sed -n 's/.*"database_conflict":"\([A-Za-z0-9._-]*\)".*/\1/p' "$work/answer")
			[ -z "$own" ] || status=$(call PUT "/api/v1/title/$own")
		elif [ "$status" = 403 ] && [ "$before" = 403 ]; then
			mv "$work/put" "$work/answer" # that answer is more specific
		fi
		;;
	esac
	case "$status" in 2??) report ;; *) fail "$status" ;; esac
	;;
version)
	[ $# -eq 3 ] || usage
	read_body "$3"
	status=$(call POST "/api/v1/title/$2/version?insert=ordered")
	case "$status" in
	2?? | 409) report ;; # 409: the version exists
	*) fail "$status" ;;
	esac
	;;
*) usage ;;
esac
