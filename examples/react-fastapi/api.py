from fastapi import Depends, FastAPI

from verify import verify

app = FastAPI()


@app.get("/api/notes")
def notes(claims: dict = Depends(verify)):
    return {"account": claims["sub"], "notes": ["Buy milk", "Water the plants"]}
