#!/bin/sh
# `make setup` installs this as .venv/bin/busbar and .venv/bin/busbar-agent: it runs the checkout that the environment
# lies in, from whatever directory it is called.
bin=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
PYTHONPATH="${bin%/*/bin}${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
case ${0##*/} in
busbar-agent) exec "$bin/python" -P -m agents.main "$@" ;;
*) exec "$bin/python" -P -m cli "$@" ;;
esac
