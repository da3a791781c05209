# Runs a program without the kernel's second copy of the auxiliary vector (PR_GET_AUXV). Valgrind before 3.24 passes that
# one on as it is: a program that reads it finds the address of the vDSO there, which valgrind has unmapped, and dies. Refused,
# it reads /proc/self/auxv, which valgrind makes fit.
use strict;
use warnings;
use POSIX ();

my $prctl = { x86_64 => 157, aarch64 => 167 }->{ (POSIX::uname())[4] };
if ($prctl) {
    my $filter = pack '(S C C L)*',
        0x20, 0, 0, 0,             # load the number of the system call
        0x15, 0, 3, $prctl,        # prctl? else allow
        0x20, 0, 0, 16,            # load its first argument
        0x15, 0, 1, 0x41555856,    # PR_GET_AUXV? else allow
        0x06, 0, 0, 0x00050016,    # refuse with EINVAL
        0x06, 0, 0, 0x7fff0000;    # allow
    my $program = pack 'S x6 P', length($filter) / 8, $filter;
    # PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP. Where they are not allowed, the program may still do without.
    syscall($prctl, 38, 1, 0, 0, 0) == 0 && syscall($prctl, 22, 2, $program) == 0
        or warn "could not hide PR_GET_AUXV: $!\n";
}
exec { $ARGV[0] } @ARGV or die "could not run $ARGV[0]: $!\n";
