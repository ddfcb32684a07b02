#!/bin/sh
# Takes a full backup of a patch source into a folder, and removes those that are older than
# 30 days. Needs curl. For cron, or a systemd timer.
#
#   backup.sh FOLDER
#
# PATCHSOURCE_URL says where the server is, PATCHSOURCE_TOKEN_FILE in which file the
# administrator's token is. Keep the server's secret file too: it is not in the backup.
set -eu

if [ $# -ne 1 ] || [ -z "${PATCHSOURCE_URL:-}" ] || [ -z "${PATCHSOURCE_TOKEN_FILE:-}" ]; then
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi

umask 077 # there are hashes of tokens in it
mkdir -p -- "$1"
name="$1/patchsource-full-$(date -u +%Y-%m-%dT%H%M%SZ).zip"
trap 'rm -f "$name.part"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The token goes to curl by its standard input: everybody on the machine can read its
# arguments.
token=$(cat -- "$PATCHSOURCE_TOKEN_FILE")
printf 'header = "Authorization: Bearer %s"\n' "$token" |
	curl -fsS --config - -o "$name.part" "${PATCHSOURCE_URL%/}/api/v1/backup?full=1"
mv -- "$name.part" "$name"
find "$1" -name 'patchsource-full-*.zip' -type f -mtime +30 -exec rm -f -- {} +
echo "$name"
