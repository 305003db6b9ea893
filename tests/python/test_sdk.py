"""The Python package `hypha` by itself, as it is given to start-up functions. No server."""

import subprocess
import sys
import textwrap

from harness import REPOSITORY

PACKAGE = REPOSITORY / "sdk" / "python"


def run(text: str, *folders) -> str:
    """What a program prints that can import the package, with these folders after it on its path."""
    path = ":".join(str(folder) for folder in (PACKAGE, *folders))
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_needs_nothing_else():
    heavy = run(
        """
        import sys
        import hypha.core.auth, hypha.utils
        print([name for name in ("pydantic", "fastapi", "numpy", "hypha_rpc") if name in sys.modules])
        """
    )
    assert heavy == "[]"


def test_users_and_scopes():
    printed = run(
        """
        from hypha.core import ScopeInfo, UserInfo, UserPermission, WorkspaceInfo
        from hypha.core.auth import create_scope, generate_jwt_scope, parse_scope, update_user_scope
        scope = create_scope({"w": "rw", "v": UserPermission.admin}, client_id="c", current_workspace="w", extra_scopes=["a:b"])
        text = generate_jwt_scope(scope)
        assert text == "ws:w#rw ws:v#a cid:c wid:w a:b", text
        assert parse_scope(text) == scope
        assert create_scope("w#r,v#a").workspaces == {"w": UserPermission.read, "v": UserPermission.admin}
        user = UserInfo(id="ada", roles=[], is_anonymous=False, scope=scope.model_dump(), unknown=1)
        assert UserInfo.model_validate_json(user.model_dump_json()) == user
        assert user.check_permission("w", UserPermission.read) and not user.check_permission("w", "a")
        assert user.get_permission("x") is None and user.get_workspace() == "ws-user-ada"
        assert user.is_specialized_token() and user.has_scope("a:b")
        joined = update_user_scope(user, WorkspaceInfo(id="mine", name="mine", owners=["ada"]), "c2")
        assert (joined.current_workspace, joined.client_id, joined.workspaces["mine"]) == ("mine", "c2", UserPermission.admin)
        user.scope = None
        assert UserInfo(id="x").model_copy(update={"email": "a@b.c"}).email == "a@b.c"
        print("good")
        """
    )
    assert printed == "good"


def test_names_that_would_be_read_as_grants():
    printed = run(
        """
        from hypha.core.auth import create_scope, generate_jwt_scope
        for bad in (
            create_scope({"w#a ws:x": "r"}),
            create_scope({"w": "r"}, client_id="c ws:*#a"),
            create_scope({"w": "r"}, extra_scopes=["ws:*#a"]),
            create_scope({"w": "r"}, extra_scopes=["a b"]),
            create_scope({"w": "r"}, current_workspace="w ws:*#a"),
        ):
            try:
                print(generate_jwt_scope(bad))
            except ValueError:
                print("refused")
        """
    )
    assert printed.split() == ["refused"] * 5


def test_beside_an_installed_original(tmp_path):
    """What is here wins; modules and members that are not here are found there."""
    for name, text in {
        "hypha/__init__.py": "",
        "hypha/extra.py": "from hypha.core import Manifest, UserInfo\nHERE = UserInfo.__module__",
        "hypha/core/__init__.py": "from hypha.core.helper import VALUE\nclass Manifest: value = VALUE\nclass UserInfo: pass",
        "hypha/core/helper.py": "VALUE = 7",
        "hypha/core/auth.py": "raise ImportError('the other one')",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    printed = run(
        """
        import hypha.core.auth
        from hypha.core import auth
        from hypha.extra import HERE, Manifest
        print(HERE, Manifest.value, auth.create_scope.__module__)
        try:
            from hypha.core import nothing
        except ImportError as error:
            print("no", "nothing" in str(error))
        """,
        tmp_path,
    )
    assert printed == "hypha.core 7 hypha.core.auth\nno True"


def test_without_a_server_there_is_nobody_to_ask():
    printed = run(
        """
        from hypha.core.auth import _parse_token, set_parse_token_function
        for ask in (lambda: _parse_token("x"), lambda: set_parse_token_function(print)):
            try:
                ask()
            except RuntimeError as error:
                print("start-up functions" in str(error))
        """
    )
    assert printed.split() == ["True", "True"]
