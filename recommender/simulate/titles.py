"""Invented film titles. Any likeness to a real film is chance."""

from __future__ import annotations

import numpy as np

_ADJECTIVES = (
    "Amber Ancient Bitter Black Blue Borrowed Broken Burning Cold Crimson Crooked Distant Empty "
    "Endless Faded Fallen Final Forgotten Frozen Gentle Gilded Golden Green Hidden Hollow Hungry "
    "Invisible Iron Last Little Lonely Long Lost Lucky Midnight Narrow Nameless New Old Open "
    "Painted Pale Paper Perfect Quiet Reckless Red Restless Rising Rusted Sacred Scarlet Second "
    "Secret Silent Silver Slow Small Stolen Strange Sudden Sunken Sweet Tender Thirteenth Tired "
    "Unfinished Unseen Velvet Violet Wandering Warm White Wicked Wild Winter Wooden Yellow Young"
).split()
_NOUNS = (
    "Afternoon Alibi Anchor Arrow Atlas Balcony Ballad Bargain Beacon Bell Border Bridge Cadence "
    "Candle Captain Carousel Cartographer Circus Clockmaker Coast Compass Confession Corridor "
    "Country Crossing Daughter Debt Diary Dispatch Distance Door Echo Ember Engine Errand "
    "Evidence Excavation Farewell Ferry Fever Field Fortune Fountain Garden Gardener Ghost "
    "Glacier Guest Harbour Harvest Heir Horizon Hour House Hunter Inheritance Island Journey "
    "Juggler Kingdom Ladder Lantern Letter Library Lighthouse Machine Map Meadow Melody Meridian "
    "Message Mirror Monsoon Moon Mountain Neighbour Night Notebook Oath Observatory Orchard "
    "Orchestra Outpost Paradox Passenger Photograph Pilgrim Pilot Postcard Promise Proof Puzzle "
    "Quarry Question Railway Reckoning Refuge Reunion Riddle River Road Rumour Sailor Season "
    "Secret Shadow Signal Sister Sky Snowfall Song Stranger Summer Sunday Tailor Tempest Theatre "
    "Thief Tide Tower Trail Treasure Umbrella Understudy Valley Verdict Village Violin Visitor "
    "Voyage Waltz Watchman Weather Whisper Window Witness Wreck"
).split()
_PLACES = (
    "Alder Creek|Avonlea Street|Bellmoor|Cape Sorrow|Castellane|Copper Ridge|Dunmarrow|Eastbrook|"
    "Fallow Hill|Gravesend Lane|Harrow Bay|Isla Perdida|Juniper Flats|Kestrel Point|Larkhaven|"
    "Marrowfield|Nine Elms|Old Tamsin|Port Valere|Quillon|Ravensholt|Saint Odile|Tarn Valley|"
    "Upper Wexley|Vermilion City|Westerlock|Yarrow Station|Zephyr Cove"
).split("|")
_NAMES = (
    "Ada Albert Anselm Beatrix Boris Carlotta Casimir Clara Dimitri Edith Elias Esme Felix Flora "
    "Greta Gustav Harriet Hector Ines Ivo Josephine Jules Katya Konrad Leonora Lucian Mabel "
    "Magnus Nadia Nikolai Odette Oscar Pilar Quentin Rosalind Rufus Selma Silas Tamara Theo Ulla "
    "Viktor Wanda Wilhelm Yusuf Zelda"
).split()
_GERUNDS = (
    "Becoming Breaking Burying Calling Chasing Counting Finding Following Forgetting Hunting "
    "Leaving Loving Missing Painting Raising Remembering Saving Searching Stealing Teaching "
    "Waking"
).split()
_SUBTITLES = (
    "Aftermath|Beginnings|Homecoming|Into the Dark|Last Light|No Way Back|Reborn|Redemption|"
    "The Awakening|The Crossing|The Hidden City|The Long Night|The Reckoning|The Return|Uprising|"
    "Vengeance"
).split("|")
_NUMERALS = ("II", "III", "IV", "V", "VI")


def base_title(random: np.random.Generator) -> str:
    """One title of a film that stands alone or opens a series."""

    def one(words: list[str]) -> str:
        return words[int(random.integers(len(words)))]

    pattern = int(random.integers(12))
    adjective, name = one(_ADJECTIVES), one(_NAMES)
    noun, other = (_NOUNS[int(i)] for i in random.choice(len(_NOUNS), 2, replace=False))
    match pattern:
        case 0 | 1 | 2:
            return f"The {adjective} {noun}"
        case 3:
            return f"{adjective} {noun}"
        case 4:
            return f"{noun} of the {adjective} {other}"
        case 5:
            return f"The {noun} and the {other}"
        case 6:
            return f"{name}'s {noun}"
        case 7:
            return f"The {noun} of {one(_PLACES)}"
        case 8:
            return f"{one(_GERUNDS)} {name}"
        case 9:
            return f"{noun} in {one(_PLACES)}"
        case 10:
            return f"{name} and the {noun}"
        case _:
            return f"{adjective} {noun}, {adjective} {other}"


def sequel_title(first: str, part: int, random: np.random.Generator) -> str:
    """Title of part `part` (2 and on) of the series that `first` opened."""
    subtitle = _SUBTITLES[int(random.integers(len(_SUBTITLES)))]
    number = _NUMERALS[part - 2] if part - 2 < len(_NUMERALS) else str(part)
    return (f"{first} {part}", f"{first} {number}", f"{first} {number}: {subtitle}")[
        int(random.integers(3))
    ]
