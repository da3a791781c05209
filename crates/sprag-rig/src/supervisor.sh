# Runs one server below one directory, and clears both away when the test process is gone.
#
#   $1  the directory, which is removed at the end
#   $2  the signal that stops the server at once
#
# Each line on standard input starts what stands in the directory's `run`. Standard output tells `started PID` and
# `exited STATUS`. The end of the input means that whoever held the pipe has dropped it, or has died.
dir=$1
signal=$2
job=
while read -r _; do
    rm -f "$dir/pid" "$dir/exited"
    (
        sh "$dir/run"
        status=$?
        : >"$dir/exited"
        echo "exited $status"
    ) &
    job=$!
    until [ -s "$dir/pid" ] || [ -e "$dir/exited" ]; do sleep 0.01; done
done

if [ -n "$job" ] && [ ! -e "$dir/exited" ] && read -r pid <"$dir/pid"; then
    kill "-$signal" "$pid"
    # What is stopped takes no signal but this one.
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
    (
        tries=0
        while [ ! -e "$dir/exited" ] && [ "$tries" -lt 100 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
        [ -e "$dir/exited" ] || kill -KILL "$pid" $(cat "/proc/$pid/task/$pid/children")
    ) &
    wait "$job"
fi

# A postmaster that was killed leaves a segment of shared memory behind, and its number in this file's seventh line.
if [ -e "$dir/data/postmaster.pid" ]; then
    ipcrm -m "$(sed -n '7s/.* //p' "$dir/data/postmaster.pid")"
fi
rm -rf "$dir"
