#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do astropy's FITS and WCS readers accept our images?  check_fits.py IMAGE.fits… [RA_DEG DEC_DEG]

With a position, the brightest pixel must lie within 0.1 pixel of it after a parabola through its neighbours. Ends with 77
(skipped) when astropy is not installed.
"""
import sys
import warnings

try:
    import numpy as np
    from astropy.io import fits
    from astropy.wcs import WCS
except ImportError:
    print('skipped: python3-astropy is not installed')
    sys.exit(77)


def top(before, at, after):
    """Offset of the top of the parabola through three neighbours."""
    bend = before - 2 * at + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def check(path, position):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with fits.open(path) as units:
            units.verify('exception')
            header, data = units[0].header, units[0].data
            assert data.ndim == 4 and data.dtype == np.dtype('>f4'), f'{data.ndim} axes of {data.dtype}'
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # astropy tells about DATE-OBS that it has added MJD-OBS
        wcs = WCS(header)
    wcs.wcs.set()
    assert list(wcs.wcs.ctype) == ['RA---SIN', 'DEC--SIN', 'FREQ', 'STOKES'], list(wcs.wcs.ctype)
    ny, nx = data.shape[2:]
    back = wcs.celestial.wcs_world2pix([[header['CRVAL1'], header['CRVAL2']]], 0)[0]
    assert abs(back - [nx // 2, ny // 2]).max() < 1e-6, f'phase centre at {back}'
    if position:
        plane = np.nan_to_num(data[0, 0].astype(float), nan=-np.inf)
        y, x = np.unravel_index(plane.argmax(), plane.shape)
        found = np.array([x + top(*plane[y, x - 1:x + 2]), y + top(*plane[y - 1:y + 2, x])])
        want = wcs.celestial.wcs_world2pix([position], 0)[0]
        assert abs(found - want).max() < 0.1, f'source at {found}, expected at {want}'
    print(f'{path}: accepted')


arguments = sys.argv[1:]
where = []
while arguments and not arguments[-1].endswith('.fits'):
    where.insert(0, float(arguments.pop()))
if not arguments or len(where) not in (0, 2):
    sys.exit(__doc__)
for name in arguments:
    check(name, where)
