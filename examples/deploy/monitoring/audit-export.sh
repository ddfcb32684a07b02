#!/bin/sh
# Appends the entries of the audit log of a patch source that a file does not have yet to the
# file, the oldest first: a JSON object on each line. Requires curl and jq. Run it by cron or a
# systemd timer, more often than 10,000 changes are made.
#
#   audit-export.sh FILE
#
# PATCHSOURCE_URL is the URL of the server, PATCHSOURCE_TOKEN_FILE the file with the
# administrator token. PATCHSOURCE_PAGE is the number of entries of a request, by default 1000.
set -eu

if [ $# -ne 1 ] || [ -z "${PATCHSOURCE_URL:-}" ] || [ -z "${PATCHSOURCE_TOKEN_FILE:-}" ]; then
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi

umask 077
mkdir -p -- "$(dirname -- "$1")"
file=$1 new=$1.new cursor=
trap 'rm -f "$new"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# A run that was interrupted, such as by a full disk, may have left a part of a line.
if [ -s "$file" ] && [ -n "$(tail -c 1 -- "$file")" ]; then
	cp -p -- "$file" "$new" # for the mode and the owner
	sed -e '$d' -- "$file" >"$new"
	mv -- "$new" "$file"
fi
last=
if [ -s "$file" ]; then
	last=$(tail -n 1 -- "$file" | jq -r .id)
fi

# The newest entries come first: read pages until the last entry of the file.
: >"$new"
while :; do
	# curl reads the token from standard input: all users of the machine can see its arguments.
	page=$(printf 'header = "Authorization: Bearer %s"\n' "$(cat -- "$PATCHSOURCE_TOKEN_FILE")" |
		curl -fsS --config - "${PATCHSOURCE_URL%/}/api/v1/audit?limit=${PATCHSOURCE_PAGE:-1000}${cursor:+&cursor=$cursor}")
	printf '%s' "$page" |
		jq -c --arg last "$last" 'label $stop | .entries[] | if .id == $last then break $stop else . end' >>"$new"
	cursor=$(printf '%s' "$page" | jq -r --arg last "$last" 'if any(.entries[]; .id == $last) then "" else .next // "" end')
	[ -n "$cursor" ] || break
done
jq -c -s 'reverse | .[]' "$new" >>"$file"
