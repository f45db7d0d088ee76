# Everything a reader, a student or a developer needs; only Python (3.11 to 3.13) and make must be there.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python
# TensorFlow's running commentary on the machine would bury what is said here.
export TF_CPP_MIN_LOG_LEVEL := 3
# What the book's pages import; the grader and the checks of the sheets are not of it.
CODE := $(shell find marginlab \( -path marginlab/course -o -path marginlab/checks \) -prune -o \( -name '*.py' -o -name '*.js' \) -print)
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help book html pdf lab test test-all test-rounding bench bench-quick lint clean
help:
	@echo "make book   build the book and serve it on localhost     (first time about 15 minutes, then seconds)"
	@echo "make html   build the book into _build/html"
	@echo "make pdf    print the book into _build/marginlab.pdf      (needs a Chromium, and no TeX)"
	@echo "make lab    open the lessons in JupyterLab"
	@echo "make test   run the tests                                (about 30 minutes)"
	@echo "make test-all       the same, on PyTorch too, and under other rounding (about an hour and a half)"
	@echo "make test-rounding  the numerical tests as other processors round"
	@echo "make bench  measure accuracies, speed and the defaults    (about 35 minutes; make bench-quick: 3)"
	@echo "make lint   check style, and that no notebook holds outputs"
	@echo "make clean  remove everything that was built or installed here"

$(PY):
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "marginlab needs Python 3.11 to 3.13, and this is %d.%d: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -m venv $(VENV)

# One stamp a set of extras: installed again only when what they need has changed.
$(VENV)/.%: pyproject.toml constraints.txt | $(PY)
	@echo "Installing marginlab[$*]: about 700 MB, 2 to 5 minutes the first time ..."
	@$(INSTALL) -e '.[$*]'
	@touch $@

# The cache of executed pages knows notebooks, not the package they import.
_build/.code: $(CODE)
	@rm -rf _build
	@mkdir -p _build && touch $@

html: $(VENV)/.book _build/.code
	@echo "Building the book: trains every model in it. About 10 minutes the first time, then half a minute ..."
	@$(VENV)/bin/jupyter-book build . -W -n --keep-going
	@echo "The book is in _build/html/index.html"

book: html
	@echo "Open http://127.0.0.1:$(PORT)/  (Ctrl+C ends it; another port: make book PORT=8001)"
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

pdf: $(VENV)/.test,book _build/.code
	@echo "Building the book as one page: about 10 minutes, or half a minute after 'make html' ..."
	@$(PY) tests/browser.py
	@$(VENV)/bin/jupyter-book build . --builder singlehtml -W -n --keep-going
	@$(PY) book/pdf.py _build/singlehtml _build/marginlab.pdf

lab: $(VENV)/.lab
	@echo "Opening JupyterLab on the lessons (Ctrl+C ends it) ..."
	@$(VENV)/bin/jupyter lab lessons

test: $(VENV)/.test,book,lab
	@echo "Running the tests, two files at a time: about 30 minutes on two cores ..."
	@$(PY) tests/browser.py
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov=marginlab --cov-report=term

# PyTorch is tested wherever it is installed, and the bench extra brings it.
test-all: $(VENV)/.test,book,lab,bench test test-rounding

test-rounding: $(VENV)/.test,book,lab
	@echo "Running the numerical tests under five kinds of rounding: about half an hour ..."
	@$(PY) tests/rounding.py

bench: $(VENV)/.test,bench
	@echo "Measuring everything, against peers: about 35 minutes on two quiet cores ..."
	@$(PY) tests/benchmarks/accuracy.py
	@$(PY) tests/benchmarks/run.py
	@$(PY) tests/benchmarks/explorer.py
	@$(PY) tests/benchmarks/search_defaults.py

bench-quick: $(VENV)/.test,bench
	@$(PY) tests/benchmarks/run.py --quick

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(PY) tests/javascript.py
	@git ls-files '*.ipynb' | xargs $(VENV)/bin/nbstripout --keep-id --verify

clean:
	rm -rf $(VENV) _build .pytest_cache .ruff_cache .hypothesis .coverage
