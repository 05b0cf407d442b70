# `make demo`, `make compare` and `make test` need Python 3.11 or later, pip and make; everything else they install.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one for each core, 8 at most
TEST_PROCESSES ?= auto

.PHONY: demo compare test fuzz lint docs clean

demo: $(VENV)/installed
	$(BIN)/python docs/tooling/demo_photos.py out/demo/photos
	$(BIN)/python tools/infer.py out/demo/photos --weights photos --out out/demo/found
	$(BIN)/python tools/make_scenes.py --images 8 --seed 0 --out out/demo/scenes
	$(BIN)/python tools/infer.py out/demo/scenes/images --weights demo --out out/demo/found_scenes
	@echo "Look at out/demo/found/cat.png and its neighbours, and at the drawn scenes in out/demo/found_scenes."

# on drawn scenes; on photos: make compare COCO_JSON=val.json IMAGES=photos/
compare: $(VENV)/installed
ifdef COCO_JSON
	$(BIN)/python tools/compare_unet.py --coco-json "$(COCO_JSON)" --images "$(IMAGES)" --weights photos --unet photos-unet --out out/compare
else
	$(BIN)/python tools/compare_unet.py --scenes 60 --out out/compare
endif
	@echo "Look at out/compare/comparison.md and the pictures beside it."

test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --maxprocesses 8 --dist worksteal

MINUTES ?= 10

fuzz: $(VENV)/installed
	$(BIN)/python tests/fuzz/run.py --minutes $(MINUTES)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open out/site/index.html."

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[docs]"
	touch $@

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) out
