"""Programs that act on the machine: processes, services, accounts, disks, power."""

from __future__ import annotations

import re

from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene

_ROOT = names("sudo doas su pkexec run0 runuser sudoedit gosu setpriv su-exec")
_POWER = names("shutdown reboot halt poweroff telinit init")
_ACCOUNTS = names(
    "useradd userdel usermod adduser deluser groupadd groupdel groupmod passwd chpasswd visudo vipw"
    " chage chsh chfn gpasswd newusers dscl"
)
_DISKS = re.compile(
    r"mkfs(?:\..+)?|mke2fs|mkswap|fdisk|sfdisk|gdisk|sgdisk|cfdisk|parted|wipefs|blkdiscard|hdparm"
    r"|diskutil|cryptsetup|lvremove|vgremove|pvremove|mdadm|zpool|zfs|nvme|swapoff|badblocks|debugfs"
)
_IMAGES = ("mk", "fdisk", "sfdisk", "gdisk", "sgdisk", "parted", "badblocks", "debugfs")
_GUARDS = names(
    "iptables ip6tables nft ufw firewall-cmd setenforce auditctl csrutil spctl aa-disable"
    " aa-teardown modprobe insmod rmmod kexec setcap fdesetup tmutil systemsetup"
)
_SERVICES = names("systemctl service launchctl rc-service rc-update initctl sv loginctl")
_LATER = names("crontab at batch systemd-run")
_KILLERS = names("kill pkill killall skill xkill fuser tmux screen")
_MACHINE = names(
    "mount umount losetup sysctl ip ifconfig route hostnamectl hostname timedatectl localectl"
    " swapon chroot unshare nsenter ldconfig update-alternatives update-rc.d dpkg-reconfigure"
    " defaults networksetup nmcli rfkill dmesg journalctl strace ltrace ptrace gdbserver"
    " bpftrace perf"
)
_KEYS = names(
    "ssh-keygen ssh-add ssh-agent ssh-copy-id gpg gpg2 pass security secret-tool op bw lpass"
    " keytool keychain kinit age sops"
)
_GUARD_SERVICES = re.compile(r"firewalld|ufw|auditd|apparmor|selinux|fail2ban|iptables|nftables")
_LOOKS = {
    "systemctl": (
        "status",
        "list-units",
        "list-unit-files",
        "is-active",
        "is-enabled",
        "show",
        "cat",
    ),
    "service": ("--status-all",),
    "launchctl": ("list",),
    "ip": ("addr", "a", "link", "route", "r", "-br"),
    "sysctl": ("-a", "-n"),
    "tmux": ("ls", "list-sessions", "capture-pane"),
}


def judge_system(scene: Scene) -> list[Finding]:
    """One of the programs of this module."""
    name, texts = scene.name, scene.texts
    if texts and all(text in ("--version", "--help") for text in texts):
        return [low("shows its version")]
    if name in _ROOT:
        return [critical("acts with the rights of another user")]
    if name in _POWER:
        return [critical("stops the machine", floor=False)]
    if name in _ACCOUNTS:
        return [critical("changes accounts of the machine")]
    if _DISKS.fullmatch(name):
        return _disk(scene)
    if name in _GUARDS:
        looks = any(t in ("-L", "-S", "list", "status", "--list-all", "--list") for t in texts[:2])
        return [medium("looks at guards of the machine")] if looks else [critical(_GUARD_OFF)]
    if name in _SERVICES:
        return _service(scene)
    if name in _LATER:
        return _later(scene)
    if name in _KEYS:
        return [high("works with keys or passwords"), *_key_files(scene)]
    return _machine(scene)


_GUARD_OFF = "changes what guards the machine"


def _disk(scene: Scene) -> list[Finding]:
    operands = [word for word in scene.args if not word.text.startswith("-")]
    places = [scene.place(word) for word in operands]
    if any(text in ("-l", "--list", "list", "status", "print") for text in scene.texts[:2]):
        return [medium("looks at disks")]
    devices = [
        place for place in places if place.guard is not None and place.guard[1] == "a device"
    ]
    if devices:
        formats = scene.name.startswith(("mkfs", "mke2fs", "wipefs", "blkdiscard"))
        return [critical(f"overwrites a device: {shown(devices[0].path)}", floor=formats)]
    image = scene.name.startswith(_IMAGES) and any("." in p.path or "/" in p.path for p in places)
    if image and all(place.inside for place in places if "." in place.path or "/" in place.path):
        return [high("formats an image in the workspace")]
    return [critical("changes disks")]


def _service(scene: Scene) -> list[Finding]:
    texts = scene.texts
    if any(
        text.partition(".")[0] in ("poweroff", "reboot", "halt", "suspend", "hibernate", "rescue")
        for text in texts
    ):
        return [critical("stops the machine")]
    if any(text in _LOOKS.get(scene.name, ()) for text in texts):
        return [medium("looks at services")]
    if any(_GUARD_SERVICES.search(text) for text in texts):
        return [critical(_GUARD_OFF)]
    return [high("starts, stops or changes services")]


def _later(scene: Scene) -> list[Finding]:
    if scene.name == "crontab" and "-l" in scene.texts:
        return [medium("looks at planned work")]
    return [high("sets up work that runs by itself later")]


def _key_files(scene: Scene) -> list[Finding]:
    options = scene.options("fCNbtou", "output")
    found = scene.writes(options.values("-f", "-o", "--output"))
    return found if scene.name in ("ssh-keygen", "gpg", "gpg2", "keytool", "age") else []


def _machine(scene: Scene) -> list[Finding]:
    name, texts = scene.name, scene.texts
    if name in _KILLERS:
        return _kill(scene)
    if name in ("dmesg", "journalctl", "hostname", "ip", "ifconfig", "route", "mount") and not any(
        text in ("add", "del", "set", "-w", "-C", "--clear", "up", "down", "flush")
        or text.startswith(("--vacuum", "--rotate", "--flush"))
        for text in texts
    ):
        alone = name in ("dmesg", "journalctl", "ip") or not texts or texts == ("-a",)
        if alone:
            return [low("looks at the machine")]
    changes = any(text in ("set", "add", "del", "flush", "replace", "change") for text in texts)
    if any(text in _LOOKS.get(name, ()) for text in texts[:1]) and not changes:
        return [medium("looks at the machine")]
    return [high(f"{name} changes the machine or looks into other programs")]


def _kill(scene: Scene) -> list[Finding]:
    texts = scene.texts
    if scene.name == "kill" and texts[:1] in (("-l",), ("-0",), ("-L",)):
        return [low("asks about processes")]
    if (
        scene.name == "kill"
        and any(text in ("-1", "--") for text in texts[1:])
        and "-1" in texts[1:]
    ):
        return [critical("ends every process of the account")]
    if scene.name in ("tmux", "screen"):
        if texts[:1] and texts[0] in _LOOKS["tmux"]:
            return [medium("looks at terminals")]
        return [high("works in another terminal, where nobody asks")]
    return [high("ends processes")]


NAMES = _ROOT | _POWER | _ACCOUNTS | _GUARDS | _SERVICES | _LATER | _KILLERS | _MACHINE | _KEYS
is_disk = _DISKS.fullmatch
