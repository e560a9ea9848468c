from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.schema import Item, User
from polyscene.settings import TextSettings, parse_settings, preset_names
from polyscene.text.tokens import count_tokens
from polyscene.text.verbalise import Deed, Verbaliser

SCENARIOS = {name: {"preset": name} for name in preset_names()}
SETTINGS = parse_settings({"scenarios": SCENARIOS})

ENGLISH: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "shop",
        {
            "title": "Gooseneck Kettle",
            "description": "A narrow spout for pour-over.",
            "tags": ["kettle", "coffee"],
            "provider": "Fernhollow",
            "category": "Kitchen > Coffee",
            "material": "steel",
            "price": 54.0,
        },
        [
            "Gooseneck Kettle. A narrow spout for pour-over.",
            "kettle, coffee. Kitchen > Coffee. by Fernhollow. material: steel",
        ],
    ),
    (
        "news",
        {
            "title": "Ferry returns",
            "description": "The dawn boat runs again.",
            "tags": ["harbour"],
            "provider": "Courier",
            "section": "local",
            "reading_min": 3,
        },
        ["Ferry returns. The dawn boat runs again.", "harbour. local"],
    ),
    (
        "music",
        {
            "title": "Cold Kitchen",
            "description": "Four quartets.",
            "tags": ["chamber music"],
            "artist": "The Tallow Quartet",
            "genre": "classical",
            "label": "Low Meadow",
        },
        [
            "Cold Kitchen. Four quartets.",
            "chamber music. classical. by The Tallow Quartet. label: Low Meadow",
        ],
    ),
    (
        "video",
        {
            "title": "Shakshuka",
            "description": "Eggs last, heat off.",
            "tags": ["eggs"],
            "category": "food",
            "actors": ["Ann Lee", "Bo Ek"],
            "directors": "Cy Dow",
            "country": "Peru",
        },
        [
            "Shakshuka. Eggs last, heat off.",
            "eggs. food. with Ann Lee, Bo Ek. by Cy Dow. country: Peru",
        ],
    ),
    (
        "travel",
        {
            "title": "Levee Marathon",
            "description": "A flat course.",
            "tags": ["marathon"],
            "place": "Saumur, France",
            "starts_at": "2027-05-14T16:00:00Z",
            "level": "amateur",
        },
        ["Levee Marathon. A flat course.", "marathon. in Saumur, France. level: amateur"],
    ),
    (
        "education",
        {
            "title": "Python from Zero",
            "description": "Loops and files.",
            "tags": ["python"],
            "provider": "Meridian Yard",
            "level": "beginner",
            "category": "Computing > Programming",
        },
        [
            "Python from Zero. Loops and files.",
            "python. Computing > Programming. beginner course. by Meridian Yard",
        ],
    ),
    (
        "health",
        {
            "title": "Shin pain",
            "description": "When to rest.",
            "tags": ["running"],
            "provider": "Stride Clinic",
            "category": "Movement",
        },
        ["Shin pain. When to rest.", "running. Movement"],
    ),
]

CHINESE: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "shop",
        {
            "title": "天青釉盖碗",
            "description": "薄胎外撇口，不烫指尖。",
            "tags": ["盖碗", "茶具"],
            "provider": "木岚手作",
            "category": "厨房 > 茶",
            "price": 32,
        },
        ["天青釉盖碗。薄胎外撇口，不烫指尖。", "盖碗、茶具。厨房 > 茶。品牌：木岚手作"],
    ),
    (
        "news",
        {
            "title": "渡轮复航",
            "description": "清晨的船又开了。",
            "tags": ["港口"],
            "section": "本地",
        },
        ["渡轮复航。清晨的船又开了。", "港口。本地"],
    ),
    (
        "music",
        {
            "title": "铁皮屋顶上的雨",
            "description": "三把吉他。",
            "tags": ["独立摇滚"],
            "artist": "铁皮雨棚",
            "genre": "摇滚",
        },
        ["铁皮屋顶上的雨。三把吉他。", "独立摇滚。摇滚。音乐人：铁皮雨棚"],
    ),
    (
        "video",
        {
            "title": "手擀面",
            "description": "醒面才是关键。",
            "tags": ["面食"],
            "category": "美食",
            "actors": ["安丽", "薄轶"],
            "directors": "邓辛",
        },
        ["手擀面。醒面才是关键。", "面食。美食。主演：安丽、薄轶。导演：邓辛"],
    ),
    (
        "travel",
        {
            "title": "柴窑七日",
            "description": "揉泥、拉坯、画青花。",
            "tags": ["陶艺"],
            "place": "景德镇",
        },
        ["柴窑七日。揉泥、拉坯、画青花。", "陶艺。地点：景德镇"],
    ),
    (
        "education",
        {
            "title": "六大茶类",
            "description": "从采摘到杯中。",
            "tags": ["茶文化"],
            "provider": "拾阶书院",
            "level": "入门",
            "category": "饮食 > 茶",
        },
        ["六大茶类。从采摘到杯中。", "茶文化。饮食 > 茶。难度：入门。来自拾阶书院"],
    ),
    (
        "health",
        {
            "title": "护眼",
            "description": "先数一数眨眼。",
            "tags": ["干眼"],
            "category": "眼睛",
        },
        ["护眼。先数一数眨眼。", "干眼。眼睛"],
    ),
]

DEEDS = {
    "shop": ("bought Alpha, Gamma; looked at Beta", "购买了甲、丙；浏览了乙"),
    "news": ("read Alpha, Gamma; opened Beta", "阅读了甲、丙；点开了乙"),
    "social": ("followed Alpha, Gamma; visited Beta", "关注了甲、丙；访问了乙"),
    "music": ("liked Alpha, Gamma; listened to Beta", "喜欢甲、丙；听过乙"),
    "video": ("watched Alpha, Gamma; opened Beta", "看过甲、丙；点开了乙"),
    "travel": ("booked Alpha, Gamma; looked at Beta", "预订了甲、丙；浏览了乙"),
    "education": ("enrolled in Alpha, Gamma; looked at Beta", "报名了甲、丙；浏览了乙"),
    "health": ("read Alpha, Gamma; looked at Beta", "阅读了甲、丙；浏览了乙"),
}
ACTIONS = {
    "shop": ("purchase", "view"), "news": ("read", "click"), "social": ("follow", "visit"),
    "music": ("like", "listen"), "video": ("watch", "click"), "travel": ("book", "view"),
    "education": ("enrol", "view"), "health": ("read", "view"),
}  # fmt: skip


def verbaliser(**text: Any) -> Verbaliser:
    return Verbaliser(SETTINGS.model_copy(update={"text": TextSettings(**text)}))


def item(scenario: str | None = "shop", **fields: Any) -> Item:
    kind = SETTINGS.scenario(scenario).target if scenario else "item"
    scenarios = [scenario] if scenario else []
    return Item.model_validate({"item_id": "x", "kind": kind, "scenarios": scenarios, **fields})


@pytest.mark.parametrize(("scenario", "fields", "texts"), ENGLISH + CHINESE)
def test_targets_of_each_preset_read_so(
    scenario: str, fields: dict[str, Any], texts: list[str]
) -> None:
    """Prices, times and addresses are left out; the language is seen from the title."""
    assert verbaliser().item(item(scenario, **fields)) == texts


@pytest.mark.parametrize("scenario", DEEDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_users_of_each_preset_read_so(scenario: str, language: str) -> None:
    """Interests, own words, then what they did, with the verbs of the scenario, by verb."""
    verbs = SETTINGS.scenario(scenario).verbs
    strong, weak = (verbs[action] for action in ACTIONS[scenario])
    names = ("Alpha", "Beta", "Gamma") if language == "en" else ("甲", "乙", "丙")
    deeds = [Deed(strong, names[0]), Deed(weak, names[1]), Deed(strong, names[2])]
    if language == "en":
        user = User(user_id="u", tags=["tea", "maps"], description=" I walk a lot. ")
        stated = ["Interested in tea, maps", "I walk a lot."]
    else:
        user = User(user_id="u", tags=["茶", "地图"], description="我常散步。")
        stated = ["兴趣：茶、地图", "我常散步。"]
    behaviour = DEEDS[scenario][language == "zh"]
    assert verbaliser().user(user, deeds, scenario) == [*stated, behaviour]


def test_segments_of_missing_fields_are_dropped() -> None:
    texts = verbaliser().item(item("shop", title="Kettle"))
    assert texts == ["Kettle"]
    texts = verbaliser().item(item("shop", description="Boils.", provider="  ", category=""))
    assert texts == ["Boils."]
    assert verbaliser().item(item("video", tags=["eggs"], directors=["Cy"])) == ["eggs. by Cy"]


def test_an_item_without_text_has_none() -> None:
    assert verbaliser().item(item("shop", price=3, stock=True, url="https://x.example/a")) == []


def test_a_user_without_anything_has_no_text() -> None:
    assert verbaliser().user(User(user_id="u", description="  ")) == []


def test_attributes_stand_in_alphabetical_order_with_spaces_for_underscores() -> None:
    fields = {"weave_style": "twill", "colour": ["red", "blue"], "size": 40, "page": "http://a/b"}
    texts = verbaliser().item(item("shop", title="Scarf", **fields))
    assert texts[1] == "colour: red, blue. weave style: twill"


def test_braces_in_a_record_are_plain_text() -> None:
    texts = verbaliser().item(item("shop", title="{tags} and {0}", tags=["a{b}"]))
    assert texts == ["{tags} and {0}", "a{b}"]


def test_a_segment_that_ends_a_sentence_gets_no_second_full_stop() -> None:
    assert verbaliser().item(item("news", title="Why now?", description="Because."))[0] == (
        "Why now? Because."
    )
    assert verbaliser().item(item("news", title="为什么？", description="因为。"))[0] == (
        "为什么？因为。"
    )


def test_fields_go_by_other_names_too_and_the_own_name_comes_first() -> None:
    """genres stands for genre; when both are there, genre is used."""
    assert verbaliser().item(item("music", title="A", genres=["rock"]))[1] == "rock"
    both = verbaliser().item(item("music", title="A", genre="folk", genres=["rock"]))
    assert both[1].startswith("folk")


def test_a_long_text_is_cut_at_the_end_so_that_title_and_description_stay() -> None:
    long = verbaliser(max_tokens=8).item(
        item(
            "shop", title="Blue kettle", description="word " * 50, tags=[f"t{n}" for n in range(9)]
        )
    )
    assert long == [
        "Blue kettle. word word word word word word…",
        "t0, t1, t2, t3, t4, t5, t6, t7,…",
    ]


@given(
    title=st.text(max_size=80),
    description=st.text(max_size=200),
    tags=st.lists(st.text(max_size=10), max_size=20),
    budget=st.integers(8, 30),
)
def test_no_text_is_longer_than_the_budget(
    title: str, description: str, tags: list[str], budget: int
) -> None:
    """Texts of items and users fit, are not blank, and are the same each time."""
    title, description = title.replace("\0", ""), description.replace("\0", "")
    tags = [tag.replace("\0", "") for tag in tags]
    made = verbaliser(max_tokens=budget)
    thing = item("shop", title=title, description=description, tags=tags)
    user = User(user_id="u", tags=tags, description=description)
    deeds = [Deed({"en": "bought"}, title)] * 5
    texts = made.item(thing) + made.user(user, deeds, "shop")
    assert all(text.strip() for text in texts)
    assert all(count_tokens(text.removesuffix("…")) <= budget for text in texts)
    again = verbaliser(max_tokens=budget)
    assert texts == again.item(thing) + again.user(user, deeds, "shop")


def test_behaviour_keeps_the_most_telling_deeds_within_the_budget() -> None:
    """bought (1) + One two (2) + Three four (2) = 5 tokens; a third title would make 9."""
    deeds = [Deed({"en": "bought"}, title) for title in ("One two", "Three four", "a b c d")]
    text = verbaliser(max_tokens=8).user(User(user_id="u"), deeds)[0]
    assert text == "bought One two, Three four"


def test_deeds_without_a_title_are_left_out() -> None:
    deeds = [Deed({"en": "bought"}, ""), Deed({"en": "saw"}, "Kettle")]
    assert verbaliser().user(User(user_id="u"), deeds) == ["saw Kettle"]


class TestLanguage:
    def test_the_stated_language_decides(self) -> None:
        made = verbaliser()
        assert made.language("zh-CN", "English words") == "zh"
        assert made.language("ZH_hant") == "zh"
        assert made.language("en-GB", "汉字") == "en"

    def test_without_one_or_with_another_the_sample_decides(self) -> None:
        made = verbaliser()
        assert made.language(None, "汉字") == "zh"
        assert made.language("ja", "漢字") == "zh"
        assert made.language("fr", "Bonjour") == "en"

    def test_then_the_default_of_the_settings(self) -> None:
        assert verbaliser(language="zh").language(None, "") == "zh"
        assert verbaliser(language="zh").language("fr", "Bonjour") == "zh"

    def test_an_item_without_a_title_is_judged_by_its_other_words(self) -> None:
        texts = verbaliser().item(item("travel", description="揉泥七日。", place="景德镇"))
        assert texts[1] == "地点：景德镇"

    def test_a_user_without_words_is_judged_by_the_titles_of_their_deeds(self) -> None:
        deeds = [Deed({"en": "bought", "zh": "购买了"}, "盖碗")]
        assert verbaliser().user(User(user_id="u"), deeds) == ["购买了盖碗"]

    def test_a_verb_that_lacks_the_language_is_said_in_english(self) -> None:
        user = User(user_id="u", language="zh")
        assert verbaliser().user(user, [Deed({"en": "bought"}, "盖碗")]) == ["bought盖碗"]


class TestDomain:
    def test_it_is_the_preset_of_the_first_scenario_that_the_item_names(self) -> None:
        assert verbaliser().domain(item(None, scenarios=["unknown", "travel", "shop"])) == "travel"

    def test_without_names_it_is_that_of_the_first_scenario_of_its_kind(self) -> None:
        made = verbaliser()
        assert made.domain(item(None, kind="activity")) == "travel"
        first = next(n for n in SCENARIOS if SETTINGS.scenario(n).target == "content")
        assert made.domain(item(None, kind="content")) == first

    def test_items_of_no_scenario_are_worded_generically(self) -> None:
        assert verbaliser().domain(item(None, scenarios=["unknown"])) == "generic"
        assert Verbaliser(parse_settings({})).domain(item(None)) == "generic"
