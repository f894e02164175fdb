"""Programs that talk to other machines."""

from __future__ import annotations

import re

from app.domain.risk import databases
from app.domain.risk.model import Finding, critical, high, low, medium, names, shown
from app.domain.risk.scene import Scene
from app.domain.shell import Word

DOWNLOADERS = names("curl wget http https xh aria2c fetch lynx w3m links httpie")
TALKERS = names(
    "ssh scp sftp rsync nc ncat netcat telnet ftp lftp tftp socat ping ping6 dig nslookup host"
    " whois traceroute tracepath mtr nmap masscan mail mailx sendmail mutt ngrok cloudflared"
    " tailscale wg openvpn smbclient rclone s3cmd gsutil azcopy mosh irc irssi weechat websocat"
    " grpcurl newman hey ab wrk k6 iperf iperf3 tcpdump tshark ansible"
    " ansible-playbook parallel-ssh pssh fabric fab gopher"
)
CLOUD = names(
    "gh glab hub aws gcloud az kubectl helm terraform tofu pulumi doctl heroku fly flyctl vercel"
    " netlify wrangler firebase supabase railway oc eksctl sam cdk serverless sls linode-cli hcloud"
    " ibmcloud oci vault consul nomad argocd flux skaffold sentry-cli stripe twilio slack"
)
_LOCAL = re.compile(
    r"(?:https?://)?(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::\d+)?(?:[/?].*)?",
    re.IGNORECASE,
)
_DESTROYS = re.compile(
    r"(?:^|[-:])(?:delete|destroy|rm|remove|rb|terminate|purge|drop|drain|uninstall|archive|rollback|reset"
    r"|delete-.*|terminate-.*|remove-.*)$"
)
_CURL_VALUES = "AbcCdDeEFHKmoPQrtTuUwxXyYz"
_CURL_LONG = (
    "output data data-binary data-raw data-urlencode data-ascii json form upload-file header"
    " request user user-agent cookie cookie-jar config url proxy cacert cert key max-time"
    " connect-timeout retry write-out dump-header output-dir referer resolve range"
)
_WGET_VALUES = "OPoaiUeBtTQDAR"
_WGET_LONG = (
    "output-document directory-prefix output-file append-output input-file post-file body-file"
    " post-data header user password execute"
)


def judge_download(scene: Scene) -> list[Finding]:
    """`curl` and its like: where to, what is sent, and where the answer is written."""
    wget = scene.name == "wget"
    values = (_WGET_VALUES, _WGET_LONG) if wget else (_CURL_VALUES, _CURL_LONG)
    options = scene.options(*values)
    if options.has("-V", "--version", "--help") and not options.operands:
        return [low("shows its version")]
    urls = [*options.operands, *options.values("--url")]
    findings = [_address(scene, word) for word in urls] or [high("talks to another machine")]
    targets = (
        options.values("-O", "--output-document") if wget else options.values("-o", "--output")
    )
    targets += options.values("-P", "--directory-prefix", "-D", "--dump-header", "--output-dir")
    targets += options.values("-c", "--cookie-jar") if not wget else []
    findings += scene.writes(word for word in targets if word.text != "-")
    if (wget and not targets) or (not wget and options.has("-O", "--remote-name")):
        findings += scene.writes([Word(text=".")])
    findings += _sent(scene, options.values(*_SENT))
    if options.has("-K", "--config") or options.has("--use-askpass"):
        findings.append(high("takes its orders from a file"))
    return findings


_SENT = tuple(
    names(
        "-d --data --data-binary --data-urlencode --data-ascii --json -F --form -T --upload-file"
        " --post-file --body-file -b --cookie -H --header"
    )
)


def _address(scene: Scene, word: Word) -> Finding:
    if word.text.startswith("file:"):
        path = word.model_copy(update={"text": re.sub(r"^file:/*", "/", word.text)})
        return max(scene.reads([path]), key=lambda finding: finding.risk.rank)
    if _LOCAL.fullmatch(word.text):
        return medium("talks to a program on this machine")
    return high(f"talks to another machine: {shown(word.text)}")


def _sent(scene: Scene, values: list[Word]) -> list[Finding]:
    findings = list[Finding]()
    for word in values:
        _, at, path = word.text.rpartition("@")
        path = (path if at else word.text).partition(";")[0]
        if path and scene.place(word.model_copy(update={"text": path})).secret:
            findings.append(critical(f"sends what may be a secret: {shown(path)}"))
        elif at:
            findings.append(high(f"sends a file: {shown(path)}"))
    return findings


def judge_talker(scene: Scene) -> list[Finding]:
    """Programs that open connections; files they take along are read."""
    name = scene.name
    if scene.texts and all(t in ("--version", "-V", "--help", "-h") for t in scene.texts):
        return [low("shows its version")]
    findings = [high(f"{name} talks to another machine")]
    if name in ("scp", "rsync"):
        return _copy(scene)
    if name in ("nc", "ncat", "netcat", "socat") and re.search(
        r"(?:^| )-\w*[ec]\b|EXEC:|SYSTEM:|--(?:sh-)?exec", " ".join(scene.texts), re.IGNORECASE
    ):
        findings.append(critical("gives another machine a shell here"))
    if name == "ssh":
        forward = any(re.match(r"-\w*[RLDwJ]", text) for text in scene.texts)
        runs = any("proxycommand" in text.lower() for text in scene.texts)
        findings += [high("opens a tunnel")] if forward or runs else []
    secrets = [w for w in scene.args if not w.text.startswith("-") and scene.place(w).secret]
    if secrets and name != "ssh":
        findings.append(critical(f"sends what may be a secret: {shown(secrets[0].text)}"))
    return findings


def _copy(scene: Scene) -> list[Finding]:
    options = scene.options("eifFPloScJ" if scene.name == "scp" else "efTB", "rsh exclude include")
    operands = list(options.operands)
    remote = [word for word in operands if re.match(r"[^/]*:", word.text)]
    findings = list[Finding]()
    if remote:
        findings.append(high(f"copies from or to another machine: {shown(remote[0].text)}"))
        findings += [
            critical(f"sends what may be a secret: {shown(word.text)}")
            for word in operands[:-1]
            if word not in remote and scene.place(word).secret
        ]
    if options.has("-e", "--rsh", "--rsync-path") and scene.name == "rsync":
        findings.append(high("rsync is given a program to run"))
    local = [word for word in operands if word not in remote]
    if operands and operands[-1] in local:
        findings += scene.writes(operands[-1:])
        if options.has("--delete", "--delete-after", "--delete-excluded", "--remove-source-files"):
            findings.append(scene.removes_tree(operands[-1]))
    sources = [word for word in operands[:-1] if word in local]
    findings += scene.reads(sources) + scene.sweeps(sources)
    return findings or [high(f"{scene.name} talks to another machine")]


def judge_cloud(scene: Scene) -> list[Finding]:
    """Command lines of services: everything is the network, deleting there is worse."""
    operands = [text for text in scene.texts if not text.startswith("-")]
    if scene.texts in (("--version",), ("version",), ("--help",)):
        return [low("shows its version")]
    local = _LOCAL_WORK.get((scene.name, operands[0] if operands else ""))
    if local is not None:
        looks = any(text in ("-check", "-diff", "--client") for text in scene.texts)
        return [low("looks at files of the project") if looks else local]
    findings = [high(f"{scene.name} acts on another machine")]
    if any(_DESTROYS.search(text) for text in operands[:4]) or "DELETE" in scene.texts:
        findings.append(critical(f"{scene.name} removes something on another machine"))
    if scene.name in ("terraform", "tofu", "pulumi") and "apply" in operands[:1]:
        findings.append(critical("changes the infrastructure"))
    return findings


_PROJECT = medium("works on files of the project")
_LOCAL_WORK = {
    **{(name, sub): _PROJECT for name in ("terraform", "tofu") for sub in ("fmt", "validate")},
    **{("helm", sub): _PROJECT for sub in ("lint", "template", "create", "package")},
    ("kubectl", "kustomize"): _PROJECT,
    ("kubectl", "version"): medium("asks a cluster for its version"),
}


def is_network(name: str) -> bool:
    """Whether a program is known to talk to other machines."""
    return name in DOWNLOADERS or name in TALKERS or name in CLOUD or name in databases.NAMES
