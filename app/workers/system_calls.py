"""Linux's system calls that no child needs, and their numbers on the machines that are known.

Sources of the numbers: asm/unistd_64.h (x86-64), asm-generic/unistd.h (aarch64). Imports nothing: programs that are not
ours are started through it too (`caged.py`).
"""

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The audit architecture by machine (linux/audit.h)."""

_MACHINES = tuple(ARCHITECTURES)

NEWEST = 440
"""The highest number that is let through. A kernel's later calls are unknown here, and every library does without."""

_GROUPS = {
    "sockets": """
        socket 41 198, socketpair 53 199, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242""",
    "programs": "execve 59 221, execveat 322 281",
    "processes": """
        fork 57 -, vfork 58 -, unshare 272 97, setns 308 268, ptrace 101 117, process_vm_readv 310 270,
        process_vm_writev 311 271, process_madvise 440 440, kcmp 312 272, tkill 200 130, rt_sigqueueinfo 129 138,
        pidfd_send_signal 424 424, pidfd_getfd 438 438, pidfd_open 434 434""",
    "priorities": """
        setpriority 141 140, sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274,
        ioprio_set 251 30, migrate_pages 256 238, move_pages 279 239""",
    "identities": """
        setuid 105 146, setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147, setresgid 119 149,
        setgroups 116 159, setfsuid 122 151, setfsgid 123 152, capset 126 91, personality 135 92""",
    "mounts": """
        mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, move_mount 429 429, open_tree 428 428,
        fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, name_to_handle_at 303 264,
        open_by_handle_at 304 265, fanotify_init 300 262, fanotify_mark 301 263, quotactl 179 60, swapon 167 224,
        swapoff 168 225, acct 163 89""",
    "kernel": """
        bpf 321 280, userfaultfd 323 282, perf_event_open 298 241, keyctl 250 219, add_key 248 217, request_key 249 218,
        kexec_load 246 104, kexec_file_load 320 294, init_module 175 105, finit_module 313 273, delete_module 176 106,
        reboot 169 142, syslog 103 116, vhangup 153 58, vmsplice 278 75, iopl 172 -, ioperm 173 -, modify_ldt 154 -,
        uselib 134 -, lookup_dcookie 212 18, settimeofday 164 170, clock_settime 227 112, clock_adjtime 305 266,
        adjtimex 159 171, sethostname 170 161, setdomainname 171 162""",
    "shared memory": """
        shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, msgget 68 186, mq_open 240 180, mq_unlink 241 181,
        memfd_create 319 279""",
    "queued work": """
        io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, io_setup 206 0, io_submit 209 2""",
    "changes of files": """
        creat 85 -, rename 82 -, renameat 264 38, renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -,
        symlinkat 266 36, unlink 87 -, unlinkat 263 35, mkdir 83 -, mkdirat 258 34, rmdir 84 -, mknod 133 -,
        mknodat 259 33, chmod 90 -, fchmod 91 52, fchmodat 268 53, chown 92 -, fchown 93 55, lchown 94 -,
        fchownat 260 54, truncate 76 45, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, setxattr 188 5,
        lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16""",
    "checked by their arguments": """
        open 2 -, openat 257 56, openat2 437 437, clone 56 220, clone3 435 435, kill 62 129, tgkill 234 131,
        rt_tgsigqueueinfo 297 240, prlimit64 302 261, sched_setaffinity 203 122, fcntl 72 25, ioctl 16 29""",
    "landlock": "landlock_create_ruleset 444 444, landlock_add_rule 445 445, landlock_restrict_self 446 446",
}


class SystemCalls:
    """The numbers of one machine's system calls; a call that it does not have has none."""

    def __init__(self, machine: str) -> None:
        """`machine`: as uname(2) names it.

        Raises:
            KeyError: its numbers are not known.
        """
        self.architecture = ARCHITECTURES[machine]
        self._groups = {name: dict(_numbers(text, _MACHINES.index(machine))) for name, text in _GROUPS.items()}
        self._all = {name: number for group in self._groups.values() for name, number in group.items()}

    def group(self, name: str, *, without: frozenset[str] = frozenset()) -> list[int]:
        """Return the numbers of a group of calls, but for those that are named."""
        return [number for call, number in self._groups[name].items() if call not in without]

    def number(self, name: str) -> int | None:
        """Return the number of one call, None where the machine does not have it."""
        return self._all.get(name)


def _numbers(text: str, column: int) -> list[tuple[str, int]]:
    rows = [row.split() for row in text.split(",")]
    return [(name, int(numbers[column])) for name, *numbers in rows if numbers[column] != "-"]
