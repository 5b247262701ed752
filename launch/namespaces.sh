#!/usr/bin/env bash
# A cluster on one machine: makes hosts out of network namespaces, joins them by links of a given rate, runs a command
# across them with MPICH over TCP, and takes everything down again. Needs root and Linux.
#
#   sudo launch/namespaces.sh --hosts 4 --rate 1gbit -- moe-worker bench exchange --bytes 1000000
#   sudo launch/namespaces.sh --hosts 8 --rate 10gbit --groups 2 --uplink 200mbit -- moe-worker doctor
#
#   --hosts N            how many hosts
#   --rate RATE          of each host's link, in each direction: 200mbit, 1gbit, …; none does not limit it
#   --ranks-per-host R   1 unless given; ranks of one host use shared memory with each other
#   --groups G           divides the hosts, in order, into G groups, each with a switch of its own
#   --uplink RATE        of the link between a group's switch and the rest
#
# `moe-worker` is the program built here; any other command is run as it is given, on every rank. Ranks are numbered
# host by host; the hosts are called host0, host1, … and find each other by these names. Variables of the environment
# reach every rank, and those of UCX and MPICH that are set there win over what is set here. The job's exit code is
# passed on.
set -euo pipefail
# shellcheck source=launch/build-flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/build-flags.sh"

usage="usage: launch/namespaces.sh --hosts N --rate RATE [--ranks-per-host R] [--groups G --uplink RATE] -- COMMAND …"
most_hosts=250
most_ranks=1024

hosts='' rate='' ranks_per_host=1 groups='' uplink=''

read_options() {
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    if [ $# -lt 2 ] || [ "$2" = -- ]; then refuse "$1 needs a value; $usage" 64; fi
    case $1 in
      --hosts) hosts=$2 ;;
      --rate) rate=$2 ;;
      --ranks-per-host) ranks_per_host=$2 ;;
      --groups) groups=$2 ;;
      --uplink) uplink=$2 ;;
      *) refuse "$1 is no option; $usage" 64 ;;
    esac
    shift 2
  done
  [ $# -ge 2 ] || refuse "a command is missing; $usage" 64
  shift
  command=("$@")
}

require_count() {
  local option=$1 value=$2 most=$3
  if [[ ! $value =~ ^[1-9][0-9]{0,5}$ ]] || ((value > most)); then
    refuse "$option ${value:-is missing}: a whole number from 1 to $most is needed" 64
  fi
}

# Prints a rate in bits a second. tc would also take rates that it then rounds to nothing.
bits_per_second() {
  local option=$1 value=${2,,} digits fraction scale
  if [[ $value =~ ^([0-9]{1,6})(\.([0-9]{1,3}))?(kbit|mbit|gbit)$ ]]; then
    digits=${BASH_REMATCH[1]} fraction=${BASH_REMATCH[3]}000
    case ${BASH_REMATCH[4]} in kbit) scale=1 ;; mbit) scale=1000 ;; gbit) scale=1000000 ;; esac
    local bits=$(((10#$digits * 1000 + 10#${fraction:0:3}) * scale))
    if ((bits >= 1000000 && bits <= 1000000000000)); then
      printf '%s\n' "$bits"
      return
    fi
  fi
  refuse "$option ${2:-is missing}: a rate from 1mbit to 1000gbit, or none, is needed" 64
}

check_options() {
  require_count --hosts "$hosts" "$most_hosts"
  require_count --ranks-per-host "$ranks_per_host" "$most_ranks"
  ((hosts * ranks_per_host <= most_ranks)) ||
    refuse "--hosts $hosts times --ranks-per-host $ranks_per_host are more than $most_ranks ranks" 64
  [ "$rate" = none ] || rate=$(bits_per_second --rate "$rate")
  if [ -z "$groups" ]; then
    [ -z "$uplink" ] || refuse "--uplink $uplink needs --groups" 64
    groups=1
    return
  fi
  require_count --groups "$groups" "$most_hosts"
  ((groups <= hosts)) || refuse "--groups $groups are more than --hosts $hosts" 64
  [ "$uplink" = none ] || uplink=$(bits_per_second --uplink "$uplink")
}

check_system() {
  [ "$(id -u)" -eq 0 ] || refuse "making network namespaces needs root; run it with sudo"
  local tool
  for tool in ip tc unshare mount; do
    command -v "$tool" >/dev/null || refuse "$tool is missing; on Debian: apt-get install iproute2 util-linux"
  done
  if [ "${command[0]}" = moe-worker ]; then
    [ -x "$worker" ] || refuse "moe-worker is not built; run: launch/build.sh"
    command[0]=$worker
  fi
  command -v "${command[0]}" >/dev/null || refuse "${command[0]}: no such command" 66
  launcher=$(mpi_launcher)
}

# Names of this run only, so that several can run at once.
prefix="switchyard$$"
scratch=''
job=''
made=()

# The launcher, told to end, ends its ranks and says so; whatever is left after two seconds is killed: a namespace goes
# only when its last process does.
end_job() {
  local namespace pids='' tenths=0
  [ -n "$job" ] || return 0
  kill -TERM "$job" 2>/dev/null || true
  while kill -0 "$job" 2>/dev/null && ((tenths < 20)); do
    sleep 0.1
    tenths=$((tenths + 1))
  done
  for namespace in "${made[@]}"; do pids+=" $(ip netns pids "$namespace" 2>/dev/null | tr '\n' ' ')"; done
  # shellcheck disable=SC2086 # one word a process
  if [[ $pids =~ [0-9] ]]; then kill -KILL $pids 2>/dev/null || true; fi
  wait "$job" 2>/dev/null || true
}

take_down() {
  trap '' INT TERM HUP
  local namespace
  end_job
  for namespace in "${made[@]}"; do ip netns delete "$namespace" 2>/dev/null || true; done
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}

# Runs a command that changes the network, or says in one line what could not be done.
change() {
  local answer
  answer=$("$@" 2>&1) || refuse "cannot make the hosts: $*: $(tail -n 1 <<<"$answer")"
}

add_namespace() {
  made+=("$1")
  change ip netns add "$1"
  change ip -n "$1" link set lo up
}

# A bridge has a namespace of its own: in the machine's, the rules of a firewall or of a container engine would apply.
add_switch() {
  add_namespace "$1"
  change ip -n "$1" link add name switch type bridge
  change ip -n "$1" link set switch up
}

# Limits what leaves through an interface. What may leave at once is 2.1 ms of the rate: enough for the largest packet
# and for a timer that comes late (256 KB at 1 Gbit/s), and not so much that a small exchange would not feel the limit.
shape() {
  local namespace=$1 interface=$2 bits=$3 burst
  [ "$bits" != none ] || return 0
  burst=$((bits * 21 / 80000))
  change tc -n "$namespace" qdisc add dev "$interface" root tbf \
    rate "${bits}bit" burst "$((burst > 65536 ? burst : 65536))" latency 50ms
}

# Joins two namespaces by a link, its ends called as given and limited both ways.
add_link() {
  local one=$1 one_end=$2 other=$3 other_end=$4 bits=$5
  change ip link add name "$one_end" netns "$one" type veth peer name "$other_end" netns "$other"
  change ip -n "$one" link set "$one_end" up
  change ip -n "$other" link set "$other_end" up
  shape "$one" "$one_end" "$bits"
  shape "$other" "$other_end" "$bits"
}

address() { printf '10.77.0.%d\n' "$(($1 + 1))"; }

make_cluster() {
  local group host
  for ((group = 0; group < groups; group++)); do add_switch "$prefix-switch$group"; done
  if ((groups > 1)); then
    add_switch "$prefix-core"
    for ((group = 0; group < groups; group++)); do
      add_link "$prefix-switch$group" uplink "$prefix-core" "group$group" "$uplink"
      change ip -n "$prefix-switch$group" link set uplink master switch
      change ip -n "$prefix-core" link set "group$group" master switch
    done
  fi
  for ((host = 0; host < hosts; host++)); do
    # Groups that do not divide the hosts differ by one.
    group=$((host * groups / hosts))
    add_namespace "$prefix-host$host"
    add_link "$prefix-host$host" eth0 "$prefix-switch$group" "host$host" "$rate"
    change ip -n "$prefix-switch$group" link set "host$host" master switch
    change ip -n "$prefix-host$host" address add "$(address "$host")/24" dev eth0
    printf '%s host%d\n' "$(address "$host")" "$host" >>"$scratch/hosts"
  done
}

# The scripts that the launcher runs. `enter` begins a process on a host: besides the network, a host has a name and
# shared memory of its own. UCX takes ranks for neighbours where boot identifier and IPC namespace agree, so that
# without the latter all ranks would share memory. `reach` stands in for ssh, `rank` tells a rank where it is.
write_scripts() {
  cat >"$scratch/enter" <<END
#!/usr/bin/env bash
set -euo pipefail
host=\$1
shift
# shellcheck disable=SC2016
exec ip netns exec "$prefix-host\$host" unshare --uts --ipc bash -c '
  mount -t tmpfs -o size=50% shm /dev/shm
  mount --bind "$scratch/hosts" /etc/hosts
  printf "host%d\n" "\$1" >/proc/sys/kernel/hostname
  shift
  exec "\$@"' enter "\$host" "\$@"
END
  cat >"$scratch/reach" <<END
#!/usr/bin/env bash
set -euo pipefail
while [[ \$1 == -* ]]; do shift; done
address=\$1
shift
exec "$scratch/enter" "\$((\${address##*.} - 1))" bash -c "\$*"
END
  cat >"$scratch/rank" <<'END'
#!/usr/bin/env bash
read -r MOE_WORKER_HOST </proc/sys/kernel/hostname
export MOE_WORKER_HOST
exec "$@"
END
  chmod +x "$scratch/enter" "$scratch/reach" "$scratch/rank"
}

# UCX finds shared memory only among the ranks of a host (see write_scripts); with one rank on each there is none.
set_transport() {
  if ((ranks_per_host == 1)); then
    export UCX_TLS=${UCX_TLS:-tcp,self} MPIR_CVAR_NOLOCAL=${MPIR_CVAR_NOLOCAL:-1}
  else
    export UCX_TLS=${UCX_TLS:-tcp,self,shm}
  fi
  export UCX_NET_DEVICES=${UCX_NET_DEVICES:-eth0}
}

# In the background, because bash would hold back its traps until a command in the foreground ends.
run_job() {
  local list='' host status=0
  for ((host = 0; host < hosts; host++)); do list+="${list:+,}$(address "$host"):$ranks_per_host"; done
  "$scratch/enter" 0 "$launcher" -launcher ssh -launcher-exec "$scratch/reach" -hosts "$list" \
    -np "$((hosts * ranks_per_host))" "$scratch/rank" "${command[@]}" <&0 &
  job=$!
  wait "$job" || status=$?
  job=''
  return "$status"
}

read_options "$@"
check_options
check_system
trap take_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
scratch=$(mktemp -d)
write_scripts
make_cluster
set_transport
run_job
