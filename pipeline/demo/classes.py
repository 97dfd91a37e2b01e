"""The 80 action classes of AVA v2.2, and the two list files that name them."""

from collections.abc import Iterable

NUM_MOVEMENTS, NUM_MANIPULATIONS = 14, 63  # last ids of the first two kinds

# Names in the order of their ids, 1 to 80. Facts of the AVA v2.2 release.
AVA_CLASSES = (
    "bend/bow (at the waist)", "crawl", "crouch/kneel", "dance", "fall down", "get up",
    "jump/leap", "lie/sleep", "martial art", "run/jog", "sit", "stand", "swim", "walk",
    "answer phone", "brush teeth", "carry/hold (an object)", "catch (an object)", "chop",
    "climb (e.g., a mountain)", "clink glass", "close (e.g., a door, a box)", "cook", "cut", "dig",
    "dress/put on clothing", "drink", "drive (e.g., a car, a truck)", "eat", "enter", "exit",
    "extract", "fishing", "hit (an object)", "kick (an object)", "lift/pick up",
    "listen (e.g., to music)", "open (e.g., a window, a car door)", "paint", "play board game",
    "play musical instrument", "play with pets", "point to (an object)", "press",
    "pull (an object)", "push (an object)", "put down", "read",
    "ride (e.g., a bike, a car, a horse)", "row boat", "sail boat", "shoot", "shovel", "smoke",
    "stir", "take a photo", "text on/look at a cellphone", "throw", "touch (an object)",
    "turn (e.g., a screwdriver)", "watch (e.g., TV)", "work on a computer", "write",
    "fight/hit (a person)", "give/serve (an object) to (a person)", "grab (a person)", "hand clap",
    "hand shake", "hand wave", "hug (a person)", "kick (a person)", "kiss (a person)",
    "lift (a person)", "listen to (a person)", "play with kids", "push (another person)",
    "sing to (e.g., self, a person, a group)", "take (an object) from (a person)",
    "talk to (e.g., self, a person, a group)", "watch (a person)",
)  # fmt: skip


def _kind(action_id: int) -> str:
    if action_id <= NUM_MOVEMENTS:
        return "PERSON_MOVEMENT"
    return "OBJECT_MANIPULATION" if action_id <= NUM_MANIPULATIONS else "PERSON_INTERACTION"


def full_list() -> str:
    """Return all classes in the layout of `ava_action_list_v2.2.pbtxt`."""
    return "".join(
        f'label {{\n  name: "{name}"\n  label_id: {number}\n  label_type: {_kind(number)}\n}}\n'
        for number, name in enumerate(AVA_CLASSES, start=1)
    )


def evaluated_list(action_ids: Iterable[int]) -> str:
    """Return some classes in the layout of `ava_action_list_v2.2_for_activitynet_2019.pbtxt`."""
    return "".join(
        f'item {{\n  name: "{AVA_CLASSES[number - 1]}"\n  id: {number}\n}}\n'
        for number in sorted(action_ids)
    )
