# shellcheck shell=bash
# Sourced by cluster.sh: reads a hosts file. A line is a host, alone or with the number of its ranks, as MPICH writes it
# (`node7:4`) or as others do (`node7 slots=4`); `#` begins a comment. What is anything else is refused with its line.
#
# read_hosts FILE fills, by host: host_names, host_slots (empty where the file says none), host_lines.

host_names=() host_slots=() host_lines=()
most_hosts=1024
most_ranks_per_host=1024
longest_host_name=253

bad_line() { refuse "$hosts_file, line $1: $2" 65; }

# Shells and ssh must find nothing to interpret in a host's name, so only what names and addresses consist of is taken.
read_host_line() {
  local number=$1 line=$2 name slots=''
  [[ $line =~ ^[[:blank:]]*(#.*)?$ ]] && return
  if [[ $line =~ ^[[:blank:]]*([^[:blank:]]+)([[:blank:]]+slots=([^[:blank:]]*))?[[:blank:]]*([[:blank:]]#.*)?$ ]]; then
    name=${BASH_REMATCH[1]} slots=${BASH_REMATCH[3]}
    if [ -n "${BASH_REMATCH[2]}" ] && [ -z "$slots" ]; then bad_line "$number" "slots= needs a number"; fi
  else
    bad_line "$number" "one host a line: NAME, NAME:RANKS or NAME slots=RANKS"
  fi
  if [[ $name == *@* ]]; then bad_line "$number" "the user of a host belongs into ssh's configuration, not here"; fi
  if [[ $name == *:* ]]; then
    [ -z "$slots" ] || bad_line "$number" "the number of ranks is given twice"
    slots=${name#*:} name=${name%%:*}
    [ -n "$slots" ] || bad_line "$number" "the number of ranks is missing after the colon"
  fi
  if [[ ! $name =~ ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$ ]] || ((${#name} > longest_host_name)); then
    bad_line "$number" "no host name or IPv4 address; letters, digits, '.', '-' and '_' are allowed"
  fi
  if [ -n "$slots" ] && { [[ ! $slots =~ ^[1-9][0-9]{0,3}$ ]] || ((slots > most_ranks_per_host)); }; then
    bad_line "$number" "the number of ranks must be from 1 to $most_ranks_per_host"
  fi
  add_host "$number" "$name" "$slots"
}

add_host() {
  local number=$1 name=$2 slots=$3
  [ -z "${line_of_host[${name,,}]:-}" ] || bad_line "$number" "$name is in line ${line_of_host[${name,,}]} already"
  line_of_host[${name,,}]=$number
  ((${#host_names[@]} < most_hosts)) || bad_line "$number" "more than $most_hosts hosts"
  host_names+=("$name") host_slots+=("$slots") host_lines+=("$number")
}

read_hosts() {
  hosts_file=$1
  local -A line_of_host=()
  local line number=0 strange
  [ -e "$hosts_file" ] || refuse "--hosts $hosts_file does not exist" 66
  [ -f "$hosts_file" ] || refuse "--hosts $hosts_file is no file" 65
  [ -r "$hosts_file" ] || refuse "--hosts $hosts_file may not be read" 77
  strange=$(LC_ALL=C grep --text --line-number --max-count 1 $'[^\t -~]' "$hosts_file" | cut -d : -f 1) || true
  [ -z "$strange" ] || bad_line "$strange" "only printable ASCII is allowed (is the file from Windows?)"
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    read_host_line "$number" "$line"
  done <"$hosts_file"
  [ "${#host_names[@]}" -gt 0 ] || refuse "$hosts_file names no host" 65
}
