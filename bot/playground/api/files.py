"""files calls in; where to send the bytes, and the finished file shared in its channel, out."""

from __future__ import annotations

from bot.playground.api.call import Call, method
from bot.playground.files import MAX_BYTES
from bot.playground.records import Json, Refused


@method("files.getUploadURLExternal", "files:write", tier=4)
def get_upload_url(call: Call) -> Json:
    name = call.need("filename")
    length = call.number("length", 0, most=10**12)
    if length <= 0:
        raise Refused("invalid_arguments")
    if length > MAX_BYTES:
        raise Refused("file_upload_size_restricted")
    file = call.workspace.files.begin(name, length, call.app.bot_user)
    return {"upload_url": f"{call.base_url}upload/{file.id}/{file.key}", "file_id": file.id}


@method("files.completeUploadExternal", "files:write", tier=4)
def complete_upload(call: Call) -> Json:
    wanted = call.value("files")
    if not isinstance(wanted, list) or not wanted:
        raise Refused("invalid_arguments")
    files = []
    for entry in wanted:
        file = call.workspace.files.get(str(entry.get("id")))
        if not file.uploaded:
            raise Refused("file_not_found")
        file.title = str(entry.get("title") or file.name)
        files.append(file)
    asked = call.text("channel_id") or call.text("channels")
    for name in filter(None, asked.split(",")):
        room = call.workspace.channel(name)
        if call.app.bot_user not in room.members:
            raise Refused("not_in_channel")
        call.workspace.files.share(
            [file.id for file in files],
            room,
            call.app.bot_user,
            text=call.text("initial_comment"),
            thread_ts=call.text("thread_ts") or None,
            bot_id=call.app.bot_id,
            app_id=call.app.id,
        )
    return {"files": [call.workspace.files.as_slack(file) for file in files]}


@method("files.info", "files:read", tier=4)
def files_info(call: Call) -> Json:
    file = call.workspace.files.seen_by(call.need("file", "file_not_found"), call.app)
    return {"file": call.workspace.files.as_slack(file), "comments": []}
