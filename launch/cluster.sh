#!/usr/bin/env bash
# Runs moe-worker across real hosts: checks every host first, says which differs in what, then starts the ranks there
# with MPICH over ssh, each bound to cores of its own.
#
#   launch/cluster.sh --hosts FILE [--ranks-per-host R] [--threads T] -- SUBCOMMAND [OPTION…]
#
#   --hosts FILE         a host a line: NAME, NAME:RANKS or NAME slots=RANKS; # begins a comment
#   --ranks-per-host R   on hosts whose line says no number; one for each memory domain unless given
#   --threads T          of each rank; subcommands that use a model get one for each of a rank's cores unless given
#
# The program, this folder and what the subcommand reads must be on every host under the same path, and ssh must reach
# every host without asking anything: ports, users and keys belong into ssh's configuration.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"
# shellcheck source=launch/check-hosts.sh
source "$project_root/launch/check-hosts.sh"

usage="usage: launch/cluster.sh --hosts FILE [--ranks-per-host R] [--threads T] -- SUBCOMMAND [OPTION…]"
most_threads=4096
most_ranks_per_host=1024

hosts='' ranks_per_host='' threads=''
# By host; slots are empty where the file says no number of ranks.
host_names=() host_slots=() host_lines=()

read_options() {
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    if [ $# -lt 2 ] || [ "$2" = -- ]; then refuse "$1 needs a value; $usage" 64; fi
    case $1 in
      --hosts) hosts=$2 ;;
      --ranks-per-host) ranks_per_host=$2 ;;
      --threads) threads=$2 ;;
      *) refuse "$1 is no option; $usage" 64 ;;
    esac
    shift 2
  done
  [ $# -ge 2 ] || refuse "a subcommand is missing; $usage" 64
  shift
  command=("$@")
}

require_count() {
  local option=$1 value=$2 most=$3
  if [[ ! $value =~ ^[1-9][0-9]{0,5}$ ]] || ((value > most)); then
    refuse "$option $value: a whole number from 1 to $most is needed" 64
  fi
}

check_options() {
  [ -n "$hosts" ] || refuse "--hosts is missing; $usage" 64
  [ -z "$ranks_per_host" ] || require_count --ranks-per-host "$ranks_per_host" "$most_ranks_per_host"
  [ -z "$threads" ] || require_count --threads "$threads" "$most_threads"
}

check_system() {
  [ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
  launcher=$(mpi_launcher)
  remote_shell=$(command -v ssh) || refuse "ssh is missing; on Debian: apt-get install openssh-client"
}

# The program reads the file, and refuses it with the line that is wrong.
read_hosts() {
  local list name slots line
  list=$("$worker" hosts "$hosts") || exit
  while read -r name slots line; do
    host_names+=("$name") host_slots+=("${slots#-}") host_lines+=("$line")
  done <<<"$list"
}

# Decides how many cores each rank has, from the machine whose ranks have the fewest (0 where ranks outnumber cores),
# and what ranks are bound to: their memory domain where there is one for each, else as many cores. Where hosts share a
# machine, none knows what the others are bound to.
bind_ranks() {
  local host share ranks
  width='' bound=numa
  for host in "${!host_names[@]}"; do
    ranks=${ranks_of_machine[$(fact "$host" machine)]}
    share=$(($(fact "$host" cores) / ranks))
    if [ -z "$width" ] || ((share < width)); then width=$share; fi
    ((ranks_on[host] == $(fact "$host" domains))) || [ "$bound" = none ] || bound=core
    ((ranks == ranks_on[host])) || bound=none
  done
  if ((width == 0)); then bound=none; fi
  if [ "$bound" = core ]; then bound=core:$width; fi
}

# Left to itself, a rank has a thread for each hardware thread that it may use: more than its cores.
set_threads() {
  local word
  for word in "${command[@]}"; do
    case $word in --threads | --threads=*) return ;; esac
  done
  case ${command[0]} in
    train | evaluate | generate | logits) threads=${threads:-$((width > 0 ? width : 1))} ;;
  esac
  if [ -n "$threads" ]; then command+=(--threads "$threads"); fi
}

host_list() {
  local host list=''
  for host in "${!host_names[@]}"; do list+="${list:+,}${host_names[host]}:${ranks_on[host]}"; done
  printf '%s\n' "$list"
}

read_options "$@"
check_options
check_system
read_hosts
check_hosts
bind_ranks
set_threads
say "${#host_names[@]} hosts agree; starting $rank_count ranks, bound to: $bound" >&2
# mpirun hands standard output on through a pipe: the ranks cannot see that it ends in a terminal.
if [ -t 1 ]; then export MOE_WORKER_TERMINAL=1; fi
exec "$launcher" -launcher ssh -launcher-exec "$remote_shell" -hosts "$(host_list)" -bind-to "$bound" \
  -np "$rank_count" "$worker" "${command[@]}"
