"""Hand-written word lists from which the slot values are made."""

from __future__ import annotations


def split(text: str) -> tuple[str, ...]:
    """The words of `text`."""
    return tuple(text.split())


NOUNS = split("""
account agenda album animal answer apple april archive arrival article artist attic august avocado badge bakery
balance balloon banana band bank basket battery beach bean bear bed beetle bell bench bicycle bill bird birthday
biscuit blanket blog board boat book boot bottle bowl box branch bread breakfast bridge brother bucket budget bug
build bus butter button cabin cable cache cake calendar camera campaign camp candle car card carpet carrot castle cat
ceiling cellar chain chair change channel chapter charger chart cheese cherry chess chicken choir church cinema circle
city class client clock closet cloud club coach coat code coffee coin collar color column comment company concert
config contact contract cookie copper corner cost cotton couch counter country course cousin cover cow crate cream
crew crop cup curtain customer daily dance data daughter deadline deck deer delivery deploy desert design desk dessert
diary dinner dish doctor dog dog door dragon drawer dream dress drill driver duck dust eagle ear east editor egg elbow
email engine entry envelope error essay evening event exam expense export factory family farm father feature feedback
fence ferry festival field figure film filter finger fire fish flag flight floor flour flower flute folder food foot
forecast forest fork form fox frame friend frog fruit furniture future game garage garden garlic gate giraffe girl
glass glove goal goat gold grammar grape graph grass guest guide guitar gym hair hall hammer harbor hat hammock header
health heart heater height helmet herb hero highway hill history holiday home honey horse hospital hotel hour house
idea image import index ingredient ink insurance interview inventory invoice island issue item ivory jacket jam
january jar jazz jewel job journal journey judge juice july june jungle keyboard kettle key kid kitchen kite knee
knife ladder lake lamp language laptop launch laundry lawn layout leaf league lease lecture ledger lemon lesson letter
lettuce library licence light lime line lion list locker log lunch machine magazine mail manager manual map marble
march market mask match meadow meal measure meeting melody member memo memory menu message metal meter metric milk
mill minutes mirror mission mixer mobile model module money monitor monkey month moon morning mother motor mountain
mouse mouth movie mug museum mushroom music nail name neck needle neighbor nest network news night noise north note
notebook novel number nurse oak ocean offer office oil olive onion opera option orange orbit orchard order organ oven
owl owner package page paint palace palm pan panel paper parade parcel parent park parser parking party passport pasta
patch path patient payment peach peanut pear pen pencil people pepper photo piano picnic picture pie pigeon pillow
pilot pin pipe pizza plan planet plant plate player playlist plum pocket poem poetry point policy pond pool portfolio
post potato pottery power presentation price printer prize problem process product profile profit program project
proposal pump puppy purchase purse puzzle quarter queen question queue quilt quiz quote rabbit radio rail rain receipt
recipe record refund region release rent repair reply report request research resource rest restaurant result resume
review rice ring river road robot rocket role roof room root rose router routine rug ruler runner saddle salad salary
sale salmon salt sample sand sandwich sauce scarf schedule school science score screen script sea season seat secret
section seed sensor series server service session setting shadow sheep sheet shelf shift ship shirt shoe shop shopping
shoulder signal silver singer sink sister site size sketch ski skill sky sleep slide snack snow soap sock sofa
software soil solution son song sort soup source space spice spider spoon spring square squirrel stadium staff stage
stair stamp star station status stock stone store storm story stove straw street string student studio style subject
sugar suit summary summer sun supper supplier supply survey swim switch system table tail talk task tax taxi tea
teacher team teapot template tent term test text theater theme theory thread ticket tiger timer title toast todo
tomato tool tooth topic tour towel tower town toy track tractor trade traffic train transfer tree trial trick trip
trouble truck trumpet tunnel turkey tutorial uncle uniform update user vacation valley value vase vegetable vehicle
vendor version video view village vinegar violin visit visitor voice volcano volume vote voyage wage wagon walk wall
wallet walnut warehouse warning watch water wave weather website wedding week weight wheel whisper willow wind window
wine winter wolf wood wool word work workout workshop world worm wrist year yogurt zebra zone
""")

ADJECTIVES = split("""
amber ancient angry annual basic best big bitter black blank blue bold brave bright broken brown busy calm cheap clean
clear clever cold common cool crisp curly current daily damp dark deep dirty double dry dull early easy empty extra
fair famous fancy fast fat final fine first flat fresh full funny gentle giant glad gold good grand gray great green
happy hard heavy hidden high hollow hot huge hungry icy inner large last late lazy light little local lonely long
loose loud low lucky main mild minor modern monthly narrow neat new next nice noisy odd old open orange outer pale
pink plain polite poor private proud public purple quick quiet rapid rare raw ready red rich right ripe rough round
royal rusty sad safe salty second secret shared sharp shiny short shy silent silly simple slow small smart smooth soft
solid sour spare special steep stiff strange strong sunny sweet tall tame temporary tender thick thin third tidy tiny
tired total tough true ugly upper urgent useful vast warm weak weekly wet white wide wild wise wooden wrong yearly
yellow young
""")

VERBS = split("""
add answer ask avoid bake balance book borrow break bring brush build buy call cancel carry catch change charge check
clean clear climb close collect compare connect cook copy count cover cross cut deliver design dig draw drink drive
drop dry eat empty enter explain fetch fill find finish fix fold follow forget gather give guess hang help hide hold
hunt improve invite join keep kick kill knock lead learn leave lend lift light load lock lose love make mark measure
meet mend mix move need open order pack paint park pass pay peel pick plan plant play pour press print protect pull
push put read record remove rename rent repair reply return review ride roll run save search sell send serve shake
share shut sign sing skip sleep sort spend split stack start stir stop study swap sweep take teach tell test throw tie
train travel trim try turn unpack update use visit wait wake walk warm wash watch water wear win wipe wrap write
""")

NAMES = split("""
Aiko Alan Alice Amara Ana Anders Anna Ben Bilal Boris Carla Carlos Chen Clara Daniel Daria David Diego Dmitri Elena
Emil Emma Erik Eva Farid Fatima Felix Fiona Freya George Grace Hana Hans Harry Hiro Hugo Ibrahim Ines Ingrid Ivan Jack
Jana Jin Joao John Jonas Julia Kai Karim Kate Kenji Lars Laura Leila Leo Lin Lisa Luca Lucy Maja Marco Maria Mateo
Maya Mei Mia Milan Mina Mohammed Nadia Nina Noah Nora Olga Oliver Omar Oscar Otto Paul Pedro Petra Pia Priya Rafael
Raj Rosa Sam Sara Sofia Stefan Sven Tara Theo Tina Tom Uma Vera Victor Wei Yara Yuki Zara Zoe Smith Jones Brown Garcia
Miller Tanaka Novak Silva Kim Patel Nguyen Rossi Muller Kowalski Haddad
""")

TECH = split("""
admin alpha api app asset async auth backend backup base batch beta blob bot cache cli client cluster cmd common
compat component conf config const controller core cron css ctx daemon data db debug default delta demo deploy dev
dist docker docs driver dump edge engine entity env etl event example export fetcher filter fixture flow format
frontend func gamma git graph handler helper hook html http img impl import index infra init input internal io job
json kernel lang layout legacy lib lint loader local log login main manifest mapper merge meta metrics middleware
migration mock model module monitor net node notify null old ops output parser patch payload perf plugin pool prod
proto proxy query queue raw readme redis ref registry release render repo request resource response result role route
router rpc rule runner sample sandbox schema scratch script sdk seed server service session settings setup shared
shell socket spec sql src stage static stats status store stream stub style sync sys task temp template test theme
token tool trace tmp types ui unit user util utils validator vendor version view web widget worker wrapper xml yaml
""")

DAYS = split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = split("January February March April May June July August September October November December")
EXTENSIONS = split("""
txt md py js ts json csv yaml yml toml ini cfg conf log html css xml sh rs go c h cpp java rb php sql tsv rst tex bib
pdf docx xlsx pptx ipynb bat env lock org tsx jsx vue svg png jpg gz zip bak out dat kt swift lua pl r m scala proto
ics vcf srt adoc properties gradle mdx
""")
FIXED_FILES = split("""
README README.md LICENSE Makefile Dockerfile .env .gitignore pyproject.toml package.json requirements.txt setup.py
main.py index.html app.js style.css notes.md todo.txt notes.txt CHANGELOG.md config.yaml settings.json Cargo.toml
main.rs go.mod docker-compose.yml .bashrc Gemfile Procfile
""")
