#!/bin/sh
# Writes a full backup of a patch source to a folder, and removes backups that are older than
# 30 days. Requires curl. Run it by cron or a systemd timer.
#
#   backup.sh FOLDER
#
# PATCHSOURCE_URL is the URL of the server, PATCHSOURCE_TOKEN_FILE the file with the
# administrator token. Also keep the server's secret file: the backup does not contain it.
set -eu

if [ $# -ne 1 ] || [ -z "${PATCHSOURCE_URL:-}" ] || [ -z "${PATCHSOURCE_TOKEN_FILE:-}" ]; then
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi

umask 077 # the backup contains hashes of tokens
mkdir -p -- "$1"
name="$1/patchsource-full-$(date -u +%Y-%m-%dT%H%M%SZ).zip"
trap 'rm -f "$name.part"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# curl reads the token from standard input: all users of the machine can see its arguments.
token=$(cat -- "$PATCHSOURCE_TOKEN_FILE")
printf 'header = "Authorization: Bearer %s"\n' "$token" |
	curl -fsS --config - -o "$name.part" "${PATCHSOURCE_URL%/}/api/v1/backup?full=1"
mv -- "$name.part" "$name"
find "$1" -name 'patchsource-full-*.zip' -type f -mtime +30 -exec rm -f -- {} +
echo "$name"
