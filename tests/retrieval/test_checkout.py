"""A remote's address becomes that of a file; what is no address leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.checkout import address, checkout, head


@pytest.mark.parametrize(
    ("remote", "form"),
    [
        ("git@github.com:team/docs.git", "https://github.com/team/docs/blob/{commit}/{path}"),
        ("https://github.com/team/docs", "https://github.com/team/docs/blob/{commit}/{path}"),
        ("https://token@github.com/a/b.git", "https://github.com/a/b/blob/{commit}/{path}"),
        (
            "ssh://git@gitlab.corp.example:2222/a/b/c.git",
            "https://gitlab.corp.example/a/b/c/-/blob/{commit}/{path}",
        ),
        ("git@bitbucket.org:a/b.git", "https://bitbucket.org/a/b/src/{commit}/{path}"),
        ("https://codeberg.org/a/b", "https://codeberg.org/a/b/src/commit/{commit}/{path}"),
        ("https://unknown.example/a/b", ""),
        ("/srv/git/docs.git", ""),
        ("file:///srv/git/docs", ""),
        ("javascript:alert(1)//github.com/", ""),
        ("", ""),
    ],
)
def test_remotes_of_known_sites_become_addresses(remote: str, form: str) -> None:
    assert address(remote) == form


def test_a_folder_outside_of_git_is_no_checkout(tmp_path: Path) -> None:
    assert checkout(tmp_path) is None
    assert head(tmp_path) == ""
